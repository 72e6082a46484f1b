# A clean root at each boot: boot-rollback in the initrd, then confirmation and boot-cleanup in the running system.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  inherit (lib) mkOption types;
  cfg = config.services.coppice;
  boot = cfg.bootRollback;
  units = import ./units.nix { inherit lib pkgs; };
  mounts = import ./mounts.nix {
    inherit lib;
    inherit (config) fileSystems;
  };

  rootFs = config.fileSystems."/" or null;
  rootSubvolume = if rootFs == null then null else mounts.optionOf "subvol" rootFs;
  place = types.strMatching "[^/]+(/[^/]+)*" // {
    description = "path of a subvolume from the top level, as root or system/root";
  };

  # The device, as the initrd can wait for it.
  device =
    let
      by = kind: prefix: "/dev/disk/by-${kind}/${lib.removePrefix prefix boot.filesystem}";
    in
    if boot.filesystem == null then
      null
    else if lib.hasPrefix "UUID=" boot.filesystem then
      by "uuid" "UUID="
    else if lib.hasPrefix "LABEL=" boot.filesystem then
      by "label" "LABEL="
    else
      boot.filesystem;

  inputs = {
    inherit (boot)
      filesystem
      root
      blank
      reset
      archive
      acknowledge
      ;
    fall_back = boot.fallBack;
  };
  inputsText = builtins.toJSON inputs + "\n";

  # What an exchange replaces.
  replaced = [ boot.root ] ++ boot.reset;
  stays = path: !(mounts.lies replaced path);
  stateDir = "/var/lib/coppice";
  bootDirs = lib.unique (
    if config.boot.loader.systemd-boot.enable then [ config.boot.loader.efi.efiSysMountPoint ] else [ "/boot" ]
  );
  quoted = lib.concatMapStringsSep ", " (s: "\"${s}\"");
in
{
  options.services.coppice.bootRollback = {
    enable = lib.mkEnableOption "a clean root at each boot; the old one goes into an archive";

    filesystem = mkOption {
      type = types.nullOr types.str;
      default = if rootFs == null then null else rootFs.device;
      defaultText = lib.literalExpression ''config.fileSystems."/".device'';
      example = "UUID=6f1d37d5-8a0b-4f4f-b2b3-7e0a1d4f2a11";
      description = ''
        The btrfs filesystem: UUID=…, LABEL=… or a device. With encryption, the device that appears when it was unlocked.
      '';
    };

    root = mkOption {
      type = place;
      default = if rootSubvolume == null then "root" else lib.removePrefix "/" rootSubvolume;
      defaultText = lib.literalMD "the `subvol=` of `fileSystems.\"/\"`";
      description = "The subvolume that is mounted as the root.";
    };

    blank = mkOption {
      type = types.either (types.enum [ "" ]) place;
      default = "";
      description = "The subvolume that a clean root is a snapshot of. Empty: an empty root, which NixOS fills when it starts.";
    };

    reset = mkOption {
      type = types.listOf place;
      default = [ ];
      example = [
        "cache"
        "tmp"
      ];
      description = "Other subvolumes that start empty at each boot.";
    };

    archive = mkOption {
      type = place;
      default = "old_roots";
      description = "The folder that the old ones go into.";
    };

    fallBack = mkOption {
      type = types.ints.unsigned;
      default = 3;
      description = "After so many boots in a row that were not confirmed the last confirmed root comes back. 0: never.";
    };

    acknowledge = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "etc/machine-id" ];
      description = ''
        What may go with the root, of what identifies the machine: paths in it. As long as something of that is in the root and not
        acknowledged, the boot leaves the root as it is.
      '';
    };

    persist = mkOption {
      type = types.listOf types.str;
      default = builtins.filter (point: config.fileSystems ? ${point}) [
        "/persist"
        "/persistent"
      ];
      defaultText = lib.literalMD "`/persist` and `/persistent`, those that are mounted";
      description = "Mount points of what is to stay. They are checked: on subvolumes that stay, and mounted in the initrd.";
    };

    confirm = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = "Confirm a boot by itself. Without it, do so by hand: coppice boot confirm.";
      };

      units = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "sshd.service" ];
        description = "Units that must be active for a boot to count as a good one.";
      };

      degraded = mkOption {
        type = types.bool;
        default = false;
        description = "Whether a boot counts as a good one when other units have failed.";
      };

      patience = mkOption {
        type = types.str;
        default = "5m";
        description = "How long is waited for what is still starting then.";
      };

      delay = mkOption {
        type = types.str;
        default = "3min";
        description = "How long after the start of the machine it is looked at.";
      };
    };

    noRollbackSpecialisation = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Have an entry no-rollback in the boot menu, which leaves the root as it is. Without it nothing can be given to the kernel where
        the boot loader's editor is off.
      '';
    };
  };

  config = lib.mkIf (cfg.enable && boot.enable) {
    assertions = [
      {
        assertion = config.boot.initrd.systemd.enable;
        message = "services.coppice.bootRollback needs boot.initrd.systemd.enable = true: the scripted initrd has no units.";
      }
      {
        assertion = rootFs != null && rootFs.fsType == "btrfs";
        message = "services.coppice.bootRollback: fileSystems.\"/\" must be a btrfs, with fsType = \"btrfs\".";
      }
      {
        assertion = rootFs == null || mounts.optionOf "subvolid" rootFs == null;
        message = "services.coppice.bootRollback: fileSystems.\"/\" has subvolid=, which would go on mounting the archived root. Mount it by its path alone: subvol=${boot.root}.";
      }
      {
        assertion = rootFs == null || rootSubvolume != null && lib.removePrefix "/" rootSubvolume == boot.root;
        message = "services.coppice.bootRollback: fileSystems.\"/\" must have the option \"subvol=${boot.root}\", the same as services.coppice.bootRollback.root${
          lib.optionalString (rootSubvolume != null) "; it has subvol=${rootSubvolume}"
        }.";
      }
      {
        assertion = device != null && lib.hasPrefix "/dev/" device;
        message = "services.coppice.bootRollback.filesystem must be UUID=…, LABEL=… or a device in /dev: in the initrd nothing is mounted yet.";
      }
      {
        assertion = stays "/nix/store";
        message = "services.coppice.bootRollback: /nix lies on a subvolume that is replaced (${quoted replaced}): the machine would not start. Mount another subvolume at /nix, named by subvol=.";
      }
      {
        assertion = lib.all stays boot.persist;
        message = "services.coppice.bootRollback.persist: ${quoted (lib.filter (p: !stays p) boot.persist)} lies on a subvolume that is replaced (${quoted replaced}), and nothing would stay.";
      }
      {
        assertion = lib.all (point: !(config.fileSystems ? ${point}) || utils.fsNeededForBoot config.fileSystems.${point}) boot.persist;
        message = "services.coppice.bootRollback.persist: what is there is needed before the root is filled. Set neededForBoot = true for fileSystems of ${
          quoted (lib.filter (p: config.fileSystems ? ${p} && !utils.fsNeededForBoot config.fileSystems.${p}) boot.persist)
        }.";
      }
      {
        assertion = stays stateDir;
        message = "services.coppice.bootRollback: ${stateDir}, where coppice has records of runs, lies on a subvolume that is replaced (${quoted replaced}). Mount something at it that stays, such as fileSystems.\"${stateDir}\" = { device = \"/persist${stateDir}\"; options = [ \"bind\" ]; }, or a subvolume at /var or /var/lib.";
      }
      {
        assertion = !lib.any (one: lib.any (r: mounts.inside r one) replaced) (
          [ boot.archive ] ++ lib.optional (boot.blank != "") boot.blank
        );
        message = "services.coppice.bootRollback: the archive and the blank can't lie in what is replaced (${quoted replaced}).";
      }
    ]
    ++ map (dir: {
      assertion = stays dir;
      message = "services.coppice.bootRollback: ${dir} lies on a subvolume that is replaced (${quoted replaced}): the boot loader would find no kernel. Mount a partition or another subvolume at ${dir}.";
    }) bootDirs;

    # For the initrd, and for "coppice boot" in the running system.
    environment.etc."coppice/inputs/boot-rollback.yaml".text = inputsText;
    environment.etc."coppice/inputs/boot-confirm.yaml".text =
      builtins.toJSON { inherit (boot.confirm) units degraded patience; } + "\n";

    boot.initrd.supportedFilesystems = [ "btrfs" ];
    boot.initrd.systemd = {
      storePaths = [ "${cfg.package}/bin/coppice" ];
      contents = {
        "/etc/coppice/inputs/boot-rollback.yaml".text = inputsText;
      }
      // lib.optionalAttrs cfg.hold {
        "/etc/coppice/hold".text = "services.coppice.hold is on\n";
      };
      services.coppice-boot-rollback = units.rollback {
        inherit (cfg) package;
        device = "${utils.escapeSystemdPath device}.device";
      };
    };

    systemd.services.coppice-boot-confirm = lib.mkIf boot.confirm.enable (units.confirm { inherit (cfg) package; });
    systemd.timers.coppice-boot-confirm = lib.mkIf boot.confirm.enable (units.confirmTimer boot.confirm.delay);

    services.coppice.playbooks.boot-cleanup = {
      enable = lib.mkDefault true;
      inputs.filesystem = lib.mkDefault "/";
    };

    specialisation = lib.mkIf boot.noRollbackSpecialisation {
      no-rollback.configuration.boot.kernelParams = [ "coppice.rollback=0" ];
    };
  };
}
