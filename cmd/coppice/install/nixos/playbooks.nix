# Playbooks as services, started by timers.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;
  cfg = config.services.coppice;
  units = import ./units.nix { inherit lib pkgs; };
  confine = import ./confine.nix { inherit lib; };

  # What the shipped playbooks say of themselves; generated.
  shipped = builtins.fromJSON (builtins.readFile ./playbooks.json);
  isShipped = name: book: book.file == null && shipped ? ${name};
  knownOf = name: book: if isShipped name book then shipped.${name} else { };
  enabled = lib.filterAttrs (_: book: book.enable) cfg.playbooks;

  absolute = types.strMatching "/.*" // {
    description = "absolute path, as text";
  };

  playbook =
    { name, ... }:
    let
      schedule = shipped.${name}.schedule or { };
    in
    {
      options = {
        enable = mkOption {
          type = types.bool;
          default = true;
          description = "Whether there is a service for it.";
        };

        file = mkOption {
          type = types.nullOr types.path;
          default = null;
          example = lib.literalExpression "./nightly.yaml";
          description = "A playbook of your own, which must have this name inside too. null: the shipped one.";
        };

        inputs = mkOption {
          type = types.attrsOf types.anything;
          default = { };
          example = {
            subvolumes = [
              "/"
              "/home"
            ];
            retention = "14d";
          };
          description = ''
            Its inputs, as /etc/coppice/inputs/NAME.yaml has them. Everybody on the machine can read them: what is secret goes
            into `secrets`.
          '';
        };

        secrets = mkOption {
          type = types.attrsOf absolute;
          default = { };
          example = {
            notify_url = "/run/secrets/coppice-notify";
          };
          description = ''
            Inputs that are read from files, which only root need be able to read. systemd hands them to the service alone, as
            credentials (LoadCredential=). The files are read at each run and come into no store.
          '';
        };

        calendar = mkOption {
          type = types.nullOr types.str;
          default = schedule.calendar or null;
          defaultText = lib.literalMD "the shipped playbook's own; null for others";
          example = "*-*-* 03:00:00";
          description = "When the timer starts it, see {manpage}`systemd.time(7)`. null: there is no timer.";
        };

        persistent = mkOption {
          type = types.bool;
          default = schedule.persistent or true;
          defaultText = lib.literalMD "the shipped playbook's own; true for others";
          description = "Make up for a run that was missed while the machine was off.";
        };

        jitter = mkOption {
          type = types.nullOr types.str;
          default = schedule.jitter or null;
          defaultText = lib.literalMD "the shipped playbook's own; null for others";
          example = "15min";
          description = "Start up to so much later, at random.";
        };

        onFailure = mkOption {
          type = types.listOf types.str;
          default = [ ];
          example = [ "tell-me@%n.service" ];
          description = "Units that are started when a run fails, besides the one that logs it and tells `tellFailures`.";
        };
      };
    };

  etcOf =
    name: book:
    lib.optionalAttrs (book.inputs != { }) {
      "coppice/inputs/${name}.yaml".text = builtins.toJSON book.inputs + "\n";
    }
    // lib.optionalAttrs (book.file != null) {
      "coppice/playbooks/${name}.yaml".source = book.file;
    };

  # Every name that is said at the beginning of a line of a file in the configuration: that is the playbook's.
  namesIn =
    file:
    lib.concatMap (
      line:
      let
        found = builtins.match "name:[[:space:]]*[\"']?([A-Za-z0-9_.-]+)[\"']?[[:space:]]*(#.*)?" line;
      in
      lib.optional (found != null) (builtins.head found)
    ) (lib.splitString "\n" (builtins.readFile file));

  quoted = lib.concatMapStringsSep ", " (name: "\"${name}\"");

  assertionsOf =
    name: book:
    let
      at = "services.coppice.playbooks.${name}";
      known = knownOf name book;
      inputs = known.inputs or { };
      given = builtins.attrNames (book.inputs // book.secrets);
      unknown = builtins.filter (input: !(inputs ? ${input})) given;
      both = builtins.filter (input: book.inputs ? ${input}) (builtins.attrNames book.secrets);
      leaked = builtins.filter (input: inputs.${input}.secret or false) (builtins.attrNames book.inputs);
      malformed = builtins.filter (input: builtins.match "[a-z_][a-z0-9_]*" input == null) given;
      missing = builtins.filter (input: inputs.${input}.required && !(builtins.elem input given)) (builtins.attrNames inputs);
      inStore = builtins.filter (input: lib.hasPrefix "${builtins.storeDir}/" book.secrets.${input}) (builtins.attrNames book.secrets);
    in
    [
      {
        assertion = book.file != null || shipped ? ${name};
        message = "${at}: coppice has no playbook of that name, only ${quoted (builtins.attrNames shipped)}. A playbook of your own needs `file`.";
      }
      {
        assertion = name != "boot-rollback";
        message = "${at}: it runs in the initrd, not as a service: use services.coppice.bootRollback.";
      }
      {
        assertion = builtins.match "[a-z][a-z0-9-]*" name != null;
        message = "${at}: the name of a playbook has small letters, digits and hyphens, and begins with a letter.";
      }
      {
        assertion = !(isShipped name book) || unknown == [ ];
        message = "${at}: the playbook has no input ${quoted unknown}, only ${quoted (builtins.attrNames inputs)}.";
      }
      {
        assertion = missing == [ ];
        message = "${at}: the playbook needs the input ${quoted missing}.";
      }
      {
        assertion = leaked == [ ];
        message = "${at}.inputs: ${quoted leaked} is secret, and everybody can read the store: put it into a file, and the file's path into `secrets`.";
      }
      {
        assertion = both == [ ];
        message = "${at}: ${quoted both} is given twice, in `inputs` and in `secrets`.";
      }
      {
        assertion = malformed == [ ];
        message = "${at}: ${quoted malformed} is no name of an input: it has small letters, digits and underscores, and begins with no digit.";
      }
      {
        assertion = inStore == [ ];
        message = "${at}.secrets: the file of ${quoted inStore} is in the store, which everybody can read.";
      }
      {
        assertion = !builtins.isPath book.file || namesIn book.file == [ name ];
        message = "${at}.file: the playbook in it has another name (${
          if builtins.isPath book.file then quoted (namesIn book.file) else ""
        }), and would not find its inputs.";
      }
    ];
in
{
  options.services.coppice.playbooks = mkOption {
    type = types.attrsOf (types.submodule playbook);
    default = { };
    example = {
      snapshot-rotation.inputs.retention = "14d";
      monthly-maintenance = { };
    };
    description = "The playbooks that run as services, by their names: shipped ones, and files of your own.";
  };

  options.services.coppice.tellFailures = mkOption {
    type = types.nullOr absolute;
    default = null;
    example = "/run/secrets/coppice-failures";
    description = ''
      A file with the URL to send a message to when a service of a playbook fails in a way that the playbook can't tell of itself. It is
      a credential, as `secrets` are. null: it is only logged.
    '';
  };

  config = lib.mkIf cfg.enable {
    assertions = lib.concatLists (lib.mapAttrsToList assertionsOf enabled) ++ [
      {
        assertion = cfg.tellFailures == null || !(lib.hasPrefix "${builtins.storeDir}/" cfg.tellFailures);
        message = "services.coppice.tellFailures: the file is in the store, which everybody can read.";
      }
    ];

    environment.etc = lib.mkMerge (lib.mapAttrsToList etcOf enabled);

    systemd.services =
      lib.mapAttrs' (
        name: book:
        lib.nameValuePair "coppice-${name}" (
          units.service {
            inherit name;
            inherit (book) secrets onFailure;
            inherit (cfg) package;
            description = (knownOf name book).description or "coppice run ${name}";
            needs = if isShipped name book then confine.needsOf name book.inputs book.secrets else null;
            mounts = builtins.filter (path: lib.hasPrefix "/" path && !(lib.hasPrefix "/dev/" path)) [
              (toString (book.inputs.filesystem or "/"))
            ];
          }
        )
      ) enabled
      // lib.optionalAttrs (enabled != { }) {
        "coppice-failed@" = units.failed {
          inherit (cfg) package;
          file = cfg.tellFailures;
        };
      };

    systemd.timers = lib.mapAttrs' (
      name: book:
      lib.nameValuePair "coppice-${name}" (
        units.timer {
          inherit name;
          inherit (book) calendar persistent jitter;
        }
      )
    ) (lib.filterAttrs (_: book: book.calendar != null) enabled);
  };
}
