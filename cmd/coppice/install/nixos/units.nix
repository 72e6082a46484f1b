# Units as "coppice install" writes them; a test compares both.
{ lib, pkgs }:

{
  # service runs a playbook.
  service =
    {
      name,
      package,
      description,
      secrets ? { },
      onFailure ? [ ],
      mounts ? [ ],
    }:
    {
      inherit description onFailure;
      documentation = [ "https://github.com/hbohlen/coppice" ];
      wants = [ "time-sync.target" ];
      after = [ "time-sync.target" ];
      unitConfig = lib.optionalAttrs (mounts != [ ]) { RequiresMountsFor = mounts; };

      # To receive backups and to reach other machines; all else is in the one binary.
      path = [
        pkgs.btrfs-progs
        pkgs.openssh
      ];

      # A new configuration does not cut off a run.
      restartIfChanged = false;

      serviceConfig = {
        Type = "notify";
        ExecStart = lib.concatStringsSep " " (
          [
            "${package}/bin/coppice"
            "run"
            name
            "--wait"
          ]
          ++ map (input: "-i ${input}=@%d/${input}") (builtins.attrNames secrets)
        );
        KillMode = "mixed";
        WatchdogSec = "5min";
        SuccessExitStatus = "75 130 143";
        Nice = 10;
        IOSchedulingClass = "idle";
      }
      // lib.optionalAttrs (secrets != { }) {
        LoadCredential = lib.mapAttrsToList (input: file: "${input}:${file}") secrets;
      };
    };

  # timer starts it.
  timer =
    {
      description,
      calendar,
      persistent,
      jitter,
    }:
    {
      inherit description;
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = calendar;
        Persistent = persistent;
      }
      // lib.optionalAttrs (jitter != null) { RandomizedDelaySec = jitter; };
    };

  # rollback gives the machine a clean root, in the initrd. If it fails, the root is mounted as it is.
  rollback =
    { package, device }:
    {
      description = "Give the machine a clean root";
      documentation = [ "https://github.com/hbohlen/coppice" ];
      wantedBy = [ "initrd.target" ];
      wants = [ device ];
      after = [
        device
        "initrd-root-device.target"
        "local-fs-pre.target"
        "systemd-hibernate-resume.service"
      ];
      before = [
        "systemd-fsck-root.service"
        "sysroot.mount"
        "sysusr-usr.mount"
        "initrd-root-fs.target"
        "dracut-mount.service"
        "shutdown.target"
      ];
      conflicts = [ "shutdown.target" ];
      unitConfig = {
        DefaultDependencies = false;
        # In an initrd, before the root is mounted. Not in the kernel that saves the memory of a crashed one.
        ConditionPathExists = [
          "/etc/initrd-release"
          "!/proc/vmcore"
        ];
        ConditionPathIsMountPoint = "!/sysroot";
        ConditionKernelCommandLine = [
          "!rd.live.image"
          "!systemd.volatile"
          "!coppice.rollback=0"
        ];
      };
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${package}/bin/coppice run boot-rollback";
        TimeoutStartSec = "3min";
        StandardInput = "null";
        StandardOutput = "journal+console";
        StandardError = "journal+console";
      };
    };

  # confirm says that a boot went well, if it did.
  confirm =
    {
      package,
      systemd,
      units,
    }:
    {
      description = "Confirm this boot";
      documentation = [ "https://github.com/hbohlen/coppice" ];
      after = [ "boot-complete.target" ];
      restartIfChanged = false;
      serviceConfig = {
        Type = "oneshot";
        ExecStartPre = [
          "${systemd}/bin/systemctl is-system-running --quiet"
        ]
        ++ map (unit: "${systemd}/bin/systemctl is-active --quiet ${unit}") units;
        ExecStart = "${package}/bin/coppice boot confirm --yes";
      };
    };

  confirmTimer = delay: {
    description = "Confirm this boot";
    wantedBy = [ "timers.target" ];
    timerConfig.OnBootSec = delay;
  };
}
