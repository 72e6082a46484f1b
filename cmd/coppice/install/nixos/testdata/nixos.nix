# The options of NixOS that the module sets and reads, with the keys that NixOS has there: a misspelt one fails.
{ lib, ... }:

let
  inherit (lib) mkOption types;
  strings = mkOption {
    type = types.listOf types.str;
    default = [ ];
  };
  units = mkOption {
    type = types.listOf (types.strMatching "[a-zA-Z0-9@%:_.\\-]+[.](service|socket|device|mount|swap|target|path|timer)");
    default = [ ];
  };
  value = types.oneOf [
    types.bool
    types.int
    types.str
    types.package
  ];
  section = mkOption {
    type = types.attrsOf (types.either value (types.listOf value));
    default = { };
  };
  of = type: default: mkOption { inherit type default; };

  common = {
    description = of types.str "";
    documentation = strings;
    wants = units;
    requires = units;
    after = units;
    before = units;
    conflicts = units;
    wantedBy = units;
    requiredBy = units;
    onFailure = units;
    unitConfig = section;
  };
  initrdService.options = common // {
    serviceConfig = section;
  };
  service.options = initrdService.options // {
    path = of (types.listOf (types.either types.package types.str)) [ ];
    restartIfChanged = of types.bool true;
    environment = of (types.attrsOf types.str) { };
  };
  timer.options = common // {
    timerConfig = section;
  };
  file.options = {
    text = of (types.nullOr types.lines) null;
    source = of (types.nullOr types.path) null;
    mode = of types.str "symlink";
  };
  fileSystem =
    { name, ... }:
    {
      options = {
        mountPoint = of types.str name;
        device = of (types.nullOr types.str) null;
        fsType = of types.str "auto";
        options = of (types.listOf types.str) [ ];
        neededForBoot = of types.bool false;
      };
    };
in
{
  options = {
    assertions = of (types.listOf types.anything) [ ];
    environment.etc = of (types.attrsOf (types.submodule file)) { };
    environment.systemPackages = of (types.listOf types.package) [ ];
    fileSystems = of (types.attrsOf (types.submodule fileSystem)) { };
    services.openssh.hostKeys = of (types.listOf (types.attrsOf types.str)) [ ];
    users.mutableUsers = of types.bool true;
    users.users = of (types.attrsOf (types.submodule { options.hashedPasswordFile = of (types.nullOr types.str) null; })) { };
    specialisation = of (types.attrsOf types.anything) { };
    systemd = {
      package = of types.package (import ./pkgs.nix).systemd;
      services = of (types.attrsOf (types.submodule service)) { };
      timers = of (types.attrsOf (types.submodule timer)) { };
    };
    boot = {
      kernelParams = strings;
      loader.systemd-boot.enable = of types.bool false;
      loader.efi.efiSysMountPoint = of types.str "/boot";
      initrd.supportedFilesystems = strings;
      initrd.systemd = {
        enable = of types.bool false;
        storePaths = of (types.listOf types.str) [ ];
        contents = of (types.attrsOf (types.submodule file)) { };
        services = of (types.attrsOf (types.submodule initrdService)) { };
      };
    };
  };
}
