# What a path of the running system lies on, as config.fileSystems has it. Pure.
{ lib, fileSystems }:

rec {
  # optionOf is the value of a mount option that is given as NAME=VALUE; null: it is not. The last one counts.
  optionOf =
    name: fs:
    let
      given = builtins.filter (lib.hasPrefix "${name}=") fs.options;
    in
    if given == [ ] then null else lib.removePrefix "${name}=" (lib.last given);

  # subvolumeOf is the subvolume that is mounted, by its path from the top level; null: none is named, or it is by id.
  subvolumeOf =
    fs:
    let
      subvolume = optionOf "subvol" fs;
    in
    if subvolume == null || optionOf "subvolid" fs != null then null else lib.removePrefix "/" subvolume;

  # inside tells whether path is folder or lies in it.
  inside = folder: path: path == folder || lib.hasPrefix (if folder == "/" then "/" else "${folder}/") path;

  # mountOf is the mount that a path lies in: the innermost.
  mountOf =
    path:
    let
      above = builtins.filter (point: inside point path) (builtins.attrNames fileSystems);
      innermost = builtins.foldl' (best: point: if builtins.stringLength point > builtins.stringLength best then point else best) "" above;
    in
    if innermost == "" then null else { point = innermost; } // fileSystems.${innermost};

  # lies tells whether a path lies on one of the subvolumes (or inside one) of the filesystem of "/". Bind mounts are followed. Where
  # the same filesystem is mounted without a named subvolume nobody can know: it does.
  lies = subvolumes: path: liesWithin 8 subvolumes path;

  liesWithin =
    depth: subvolumes: path:
    let
      fs = mountOf path;
      rest = lib.removePrefix (if fs.point == "/" then "" else fs.point) path;
      isBind = lib.any (o: o == "bind" || o == "rbind") fs.options;
      subvolume = subvolumeOf fs;
    in
    if fs == null || depth == 0 then
      true
    else if isBind then
      liesWithin (depth - 1) subvolumes (lib.removeSuffix "/" (toString fs.device + rest))
    else if fs.fsType != "btrfs" || fs.device != (fileSystems."/" or { device = null; }).device then
      false
    else
      subvolume == null || lib.any (one: inside one subvolume) subvolumes;
}
