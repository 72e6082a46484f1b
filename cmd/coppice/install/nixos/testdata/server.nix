# A server with all that the module has.
{
  services.coppice = {
    enable = true;
    playbooks = {
      snapshot-rotation = {
        inputs = {
          subvolumes = [
            "persist"
            "home"
          ];
          retention = "14d";
        };
        secrets.notify_url = "/run/secrets/coppice-notify";
        onFailure = [ "tell-me@%n.service" ];
      };
      monthly-maintenance = {
        calendar = "*-*-* 03:15:00";
        jitter = null;
        persistent = false;
      };
      backup = {
        inputs.target = "ssh://backup@nas/volume1/server";
        inputs.filesystem = "LABEL=server";
      };
      nightly.file = ./nightly.yaml;
      performance-tuning.enable = false;
    };
    bootRollback = {
      enable = true;
      reset = [
        "cache"
        "tmp"
      ];
      acknowledge = [ "etc/ssh/ssh_host_rsa_key" ];
      confirm.units = [ "sshd.service" ];
    };
  };
  boot.initrd.systemd.enable = true;
  fileSystems =
    let
      subvolume = name: {
        device = "/dev/disk/by-uuid/6f1d37d5-8a0b-4f4f-b2b3-7e0a1d4f2a11";
        fsType = "btrfs";
        options = [
          "subvol=${name}"
          "compress=zstd:3"
          "noatime"
        ];
      };
    in
    {
      "/" = subvolume "root";
      "/nix" = subvolume "nix";
      "/home" = subvolume "home";
      "/var/cache" = subvolume "cache";
      "/persist" = subvolume "persist" // {
        neededForBoot = true;
      };
      "/var/lib/coppice" = {
        device = "/persist/var/lib/coppice";
        options = [ "bind" ];
      };
      "/boot" = {
        device = "/dev/disk/by-uuid/1B1B-AAAA";
        fsType = "vfat";
      };
    };
}
