# What a service may do: as "coppice install" confines it, see ../unitfile/confine.go. Pure.
{ lib }:

let
  inherit (builtins) isAttrs isList isString;

  capabilities = [
    "CAP_SYS_ADMIN"
    "CAP_SYS_PTRACE"
    "CAP_DAC_OVERRIDE"
    "CAP_DAC_READ_SEARCH"
  ];
  fileCapabilities = [
    "CAP_CHOWN"
    "CAP_FOWNER"
    "CAP_FSETID"
    "CAP_MKNOD"
    "CAP_SETFCAP"
    "CAP_LINUX_IMMUTABLE"
    "CAP_SYS_CHROOT"
  ];

  everybody = {
    NoNewPrivileges = true;
    LockPersonality = true;
    MemoryDenyWriteExecute = true;
    RestrictRealtime = true;
    SystemCallArchitectures = "native";
    ProtectKernelModules = true;
    ProtectKernelLogs = true;
    ProtectControlGroups = true;
    ProtectHostname = true;
    PrivateTmp = true;
    KeyringMode = "private";
  };

  # texts are all texts in a value.
  texts =
    value:
    if isString value then
      [ value ]
    else if isList value then
      lib.concatMap texts value
    else if isAttrs value then
      lib.concatMap texts (builtins.attrValues value)
    else
      [ ];

  atHome =
    text:
    let
      path = lib.removePrefix "file:" text;
    in
    lib.any (home: path == home || lib.hasPrefix "${home}/" path) [
      "/home"
      "/root"
      "/run/user"
    ];
in
rec {
  # word is a word of a setting, as systemd.syntax(7) has it.
  word =
    text:
    let
      doubled = builtins.replaceStrings [ "%" ] [ "%%" ] text;
    in
    if builtins.match "[^[:space:]\"'\\\\$;]+" doubled != null then
      doubled
    else
      "\"" + builtins.replaceStrings [ "\\" "\"" "\n" "$" ] [ "\\\\" "\\\"" "\\n" "$$" ] doubled + "\"";

  # needsOf tells what a shipped playbook needs with these inputs. What "coppice install" finds in the steps is known of them here; a
  # test compares both.
  needsOf =
    name: inputs: secrets:
    let
      given = input: inputs ? ${input} || secrets ? ${input};
      target = if name == "backup" then toString (inputs.target or "") else "";
      isFile = lib.hasPrefix "file:" target;
      speed = toString (inputs.scrub_speed or 0);
    in
    {
      tells = lib.any given [ "notify_url" "alertmanager" "ping_url" ];
      network = lib.hasPrefix "ssh:" target || lib.any given [ "notify_url" "alertmanager" "ping_url" ];
      files = builtins.elem name [
        "backup"
        "performance-tuning"
        "restore-root"
        "server-layout"
      ];
      speed = name == "monthly-maintenance" && builtins.match "0[A-Za-z]*" speed == null;
      parameters = name == "performance-tuning";
      writes = lib.unique (
        builtins.sort (a: b: a < b) (lib.optional (inputs ? metrics) inputs.metrics ++ lib.optional isFile (lib.removePrefix "file:" target))
      );
      homes = lib.any atHome (texts inputs);
    };

  # known is for a shipped playbook.
  known =
    needs:
    everybody
    // {
      CapabilityBoundingSet = lib.concatStringsSep " " (capabilities ++ lib.optionals needs.files fileCapabilities);
      RestrictNamespaces = if needs.files then "pid mnt" else "pid";
      SystemCallFilter = "@system-service @mount adjtimex";
      SystemCallErrorNumber = "EPERM";
      DevicePolicy = "closed";
      DeviceAllow = [
        "block-* rw"
        "/dev/btrfs-control rw"
      ];
      ProtectSystem = "strict";
      RestrictAddressFamilies = "AF_UNIX" + lib.optionalString needs.network " AF_INET AF_INET6 AF_NETLINK";
    }
    // lib.optionalAttrs (!needs.homes) { ProtectHome = true; }
    // lib.optionalAttrs (!needs.parameters) { ProtectKernelTunables = true; }
    // lib.optionalAttrs (needs.speed || needs.parameters || needs.writes != [ ]) {
      ReadWritePaths =
        lib.optional needs.speed "/sys/fs/btrfs" ++ lib.optional needs.parameters "-/etc/sysctl.d" ++ map (folder: word "-${folder}") needs.writes;
    }
    // lib.optionalAttrs (!needs.network) {
      PrivateNetwork = true;
      IPAddressDeny = "any";
    };

  # unknown is for a playbook whose steps nobody has looked at.
  unknown = {
    LockPersonality = true;
    RestrictRealtime = true;
    SystemCallArchitectures = "native";
    ProtectHostname = true;
  };

  # tell is for the service that tells of a failed one.
  tell =
    network:
    everybody
    // {
      RestrictSUIDSGID = true;
      CapabilityBoundingSet = "CAP_SYS_ADMIN";
      RestrictNamespaces = "pid";
      SystemCallFilter = "@system-service";
      SystemCallErrorNumber = "EPERM";
      DevicePolicy = "closed";
      PrivateDevices = true;
      ProtectSystem = "strict";
      ProtectHome = true;
      ProtectKernelTunables = true;
      ProtectClock = true;
      RestrictAddressFamilies = "AF_UNIX" + lib.optionalString network " AF_INET AF_INET6 AF_NETLINK";
    }
    // lib.optionalAttrs (!network) {
      PrivateNetwork = true;
      IPAddressDeny = "any";
    };
}
