# Units as "coppice install" writes them; a test compares both.
{ lib, pkgs }:

let
  confine = import ./confine.nix { inherit lib; };
  documentation = [ "https://github.com/hbohlen/coppice" ];
  line = builtins.replaceStrings [ "%" ] [ "%%" ];
in
{
  # service runs a playbook. needs is null for one whose steps nobody has looked at.
  service =
    {
      name,
      package,
      description,
      needs,
      secrets,
      onFailure,
      mounts,
    }:
    {
      inherit documentation;
      description = line description;
      wants = [ "time-sync.target" ] ++ lib.optional (needs != null && needs.network) "network-online.target";
      after = [ "time-sync.target" ] ++ lib.optional (needs != null && needs.network) "network-online.target";
      onFailure = [ "coppice-failed@%n.service" ] ++ onFailure;
      unitConfig = lib.optionalAttrs (mounts != [ ]) { RequiresMountsFor = map confine.word mounts; }
      // lib.optionalAttrs (needs != null && needs.tells) { X-CoppiceTells = "yes"; };

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
        TimeoutStartSec = "5min";
        WatchdogSec = "5min";
        KillMode = "mixed";
        TimeoutStopSec = "2min";
        SuccessExitStatus = "75 130 143";
        Nice = 10;
        CPUWeight = 20;
        IOSchedulingClass = "idle";
        IOWeight = 20;
        LogRateLimitIntervalSec = 0;
        StateDirectory = "coppice";
        StateDirectoryMode = "0700";
        RuntimeDirectory = "coppice";
        RuntimeDirectoryPreserve = true;
        UMask = "0077";
      }
      // lib.optionalAttrs (secrets != { }) {
        LoadCredential = lib.mapAttrsToList (input: file: "${input}:${confine.word file}") secrets;
      }
      // (if needs == null then confine.unknown else confine.known needs);
    };

  # timer starts it.
  timer =
    {
      name,
      calendar,
      persistent,
      jitter,
    }:
    {
      description = "Run the playbook ${name}";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = line calendar;
      }
      // lib.optionalAttrs persistent { Persistent = true; }
      // lib.optionalAttrs (jitter != null) { RandomizedDelaySec = jitter; };
    };

  # failed is a template that tells that a unit has failed. file has the URL that is told; null: it is only logged.
  failed =
    { package, file }:
    {
      inherit documentation;
      description = "Tell that %i has failed";
      serviceConfig = {
        Type = "oneshot";
        ExecStart = "${package}/bin/coppice failed %i" + lib.optionalString (file != null) " --to %d/notify_url";
        TimeoutStartSec = "5min";
        UMask = "0077";
      }
      // lib.optionalAttrs (file != null) { LoadCredential = "notify_url:${confine.word file}"; }
      // confine.tell (file != null);
    };

  # rollback gives the machine a clean root, in the initrd. If it fails, the root is mounted as it is.
  rollback =
    { package, device }:
    {
      inherit documentation;
      description = "Give the machine a clean root";
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

  # confirm says that a boot went well, if it did. What is asked for is in its inputs.
  confirm =
    { package }:
    {
      inherit documentation;
      description = "Confirm that this boot went well";
      after = [ "boot-complete.target" ];
      before = [ "coppice-boot-cleanup.service" ];
      restartIfChanged = false;
      serviceConfig = {
        # The system is "starting" as long as anything waits to be started, which this must not be while it waits for the end of that.
        Type = "exec";
        ExecStart = "${package}/bin/coppice boot confirm --yes --wait";
        KillMode = "mixed";
        SuccessExitStatus = "75 130 143";
      };
    };

  confirmTimer = delay: {
    description = "Confirm that this boot went well, some minutes after it";
    wantedBy = [ "timers.target" ];
    timerConfig = {
      OnBootSec = delay;
      AccuracySec = "10s";
    };
  };
}
