# The NixOS module of coppice: playbooks as services with timers, and a clean root at each boot.
#
# What is wrong with a configuration is found when it is evaluated: shipped playbooks and their inputs by their names, secrets that would
# come into the store, and whatever would make the machine lose something, or not start, after a rollback.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.coppice;
in
{
  imports = [
    ./playbooks.nix
    ./boot-rollback.nix
  ];

  options.services.coppice = {
    enable = lib.mkEnableOption "coppice, which executes storage playbooks";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The coppice that is used, at boot too.";
    };

    hold = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = ''
        The hold switch: while it is on, no step deletes anything and the root is not rolled back. It is the file
        /etc/coppice/hold, there and in the initrd.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    environment.etc = lib.mkIf cfg.hold {
      "coppice/hold".text = "services.coppice.hold is on\n";
    };
  };
}
