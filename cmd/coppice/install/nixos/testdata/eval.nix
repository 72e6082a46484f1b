# What a configuration with the module comes to: the mistakes, the units, the files.
{
  lib ? import ./lib.nix,
  module ? ../module.nix,
  configuration,
}:

let
  inherit
    (lib.evalModules {
      modules = [
        module
        ./nixos.nix
        configuration
      ];
      specialArgs = {
        pkgs = import ./pkgs.nix;
        utils = import ./utils.nix { inherit lib; };
      };
    })
    config
    ;
  # A path as text: it would be copied into the store.
  file = f: f // { source = if f.source == null then null else toString f.source; };
  failed = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);
in
{
  inherit failed;
  # As in NixOS: with mistakes there is nothing else.
  result =
    if failed != [ ] then
      null
    else
      {
        inherit (config) specialisation;
        inherit (config.systemd) services timers;
        initrdServices = config.boot.initrd.systemd.services;
        inherit (config.boot.initrd.systemd) storePaths;
        inherit (config.boot.initrd) supportedFilesystems;
        contents = builtins.mapAttrs (_: file) config.boot.initrd.systemd.contents;
        etc = builtins.mapAttrs (_: file) config.environment.etc;
        packages = map toString config.environment.systemPackages;
      };
}
