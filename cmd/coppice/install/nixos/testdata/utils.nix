# As much of NixOS' utils as the module needs.
{ lib }:
{
  # As systemd.unit(5) has it: the slashes around the path go, the others become hyphens, and what is special is written as \xNN.
  escapeSystemdPath =
    path:
    let
      trimmed = lib.removeSuffix "/" (lib.removePrefix "/" path);
      special = lib.stringToCharacters " !\"#$%&'()*+,;<=>@[\\]^`{|}~-";
      code = {
        " " = "20"; "!" = "21"; "\"" = "22"; "#" = "23"; "$" = "24"; "%" = "25"; "&" = "26"; "'" = "27"; "(" = "28"; ")" = "29";
        "*" = "2a"; "+" = "2b"; "," = "2c"; ";" = "3b"; "<" = "3c"; "=" = "3d"; ">" = "3e"; "@" = "40"; "[" = "5b"; "\\" = "5c";
        "]" = "5d"; "^" = "5e"; "`" = "60"; "{" = "7b"; "|" = "7c"; "}" = "7d"; "~" = "7e"; "-" = "2d";
      };
    in
    builtins.replaceStrings ([ "/" ] ++ special) ([ "-" ] ++ map (c: "\\x${code.${c}}") special) trimmed;

  fsNeededForBoot =
    fs:
    fs.neededForBoot
    || builtins.elem fs.mountPoint [
      "/"
      "/nix"
      "/nix/store"
      "/var"
      "/var/log"
      "/var/lib"
      "/var/lib/nixos"
      "/etc"
      "/usr"
    ];
}
