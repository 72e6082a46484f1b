# As much of nixpkgs' lib as the module needs, for tests without nixpkgs: a module system with priorities, conditions, submodules and
# types that are checked. An option that nobody has declared is an error, as there. COPPICE_NIXPKGS_LIB names the real one instead.
let
  inherit (builtins)
    all
    any
    attrNames
    concatLists
    concatMap
    elem
    filter
    foldl'
    functionArgs
    genList
    hasAttr
    head
    intersectAttrs
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isPath
    isString
    length
    listToAttrs
    map
    mapAttrs
    match
    stringLength
    substring
    ;
  isType = type: value: isAttrs value && value._type or null == type;

  # Definitions: from values with conditions and priorities to those that count.

  defaultPriority = 100;
  unfold =
    value:
    if isType "if" value then
      (if value.condition then unfold value.content else [ ])
    else if isType "merge" value then
      concatMap unfold value.contents
    else if isType "override" value then
      map (inner: inner // { priority = value.priority; }) (unfold value.content)
    else
      [
        {
          priority = defaultPriority;
          inherit value;
        }
      ];

  strongest =
    definitions:
    let
      best = foldl' (a: d: if d.priority < a then d.priority else a) 9999 definitions;
    in
    map (d: d.value) (filter (d: d.priority == best) definitions);

  show = location: "`${lib.concatStringsSep "." location}'";

  mergeDefinitions =
    location: type: values:
    let
      counting = strongest (concatMap unfold values);
      wrong = filter (v: !(type.check v)) counting;
    in
    if counting == [ ] then
      (type.empty or (throw "The option ${show location} was accessed but has no value defined."))
    else if wrong != [ ] then
      throw "A definition for option ${show location} is not of type `${type.description}'."
    else
      type.merge location counting;

  one =
    location: values:
    if all (v: v == head values) values then head values else throw "The option ${show location} has conflicting definitions.";

  # Modules.

  # push moves conditions from a set to what is in it, so that its names are known without them.
  push =
    value:
    if isType "if" value then
      map (mapAttrs (_: inner: lib.mkIf value.condition inner)) (push value.content)
    else if isType "merge" value then
      concatMap push value.contents
    else if isType "override" value then
      map (mapAttrs (_: inner: lib.mkOverride value.priority inner)) (push value.content)
    else
      [ value ];

  load =
    arguments: module:
    let
      function = if isPath module || isString module then import module else module;
      loaded = if isFunction function then function (intersectAttrs (functionArgs function) arguments) else function;
      whole = loaded ? options || loaded ? config;
      extra = removeAttrs loaded [
        "options"
        "config"
        "imports"
        "_file"
      ];
    in
    if whole && extra != { } then
      throw "a module has options or config, and ${lib.concatStringsSep ", " (attrNames extra)} besides"
    else
      concatMap (load arguments) (loaded.imports or [ ])
      ++ [
        {
          options = if whole then loaded.options or { } else { };
          config = if whole then loaded.config or { } else extra;
        }
      ];

  isOption = isType "option";

  # Trees of options: several modules declare in one; the same option only once.
  joinOptions =
    location: a: b:
    a
    // mapAttrs (
      name: new:
      let
        old = a.${name};
        here = location ++ [ name ];
      in
      if !(hasAttr name a) then
        new
      else if isOption old || isOption new then
        throw "The option ${show here} is already declared."
      else
        joinOptions here old new
    ) b;

  evalTree =
    location: options: definitions:
    let
      sets = concatMap push definitions;
      unknown = filter (name: !(hasAttr name options)) (concatMap attrNames sets);
      value =
        name: option:
        let
          here = location ++ [ name ];
          values = map (set: set.${name}) (filter (hasAttr name) sets);
          fallback = if option ? default then [ (lib.mkOverride 1500 option.default) ] else [ ];
        in
        if isOption option then mergeDefinitions here option.type (values ++ fallback) else evalTree here option values;
    in
    if unknown != [ ] then throw "The option ${show (location ++ [ (head unknown) ])} does not exist." else mapAttrs value options;

  evalAt =
    location:
    {
      modules,
      specialArgs ? { },
    }:
    let
      arguments = {
        inherit lib config;
      }
      // specialArgs;
      loaded = concatMap (load arguments) modules;
      options = foldl' (joinOptions location) { } (map (m: m.options) loaded);
      config = evalTree location options (map (m: m.config) loaded);
    in
    {
      inherit config options;
    };

  # Types.

  simple = description: check: {
    inherit description check;
    merge = one;
  };
  isDerivation = isType' "derivation";
  isType' = type: value: isAttrs value && value.type or null == type;

  types = {
    bool = simple "boolean" isBool;
    int = simple "signed integer" isInt;
    str = simple "string" isString;
    lines = simple "strings concatenated with \"\\n\"" isString // {
      merge = _: lib.concatStringsSep "\n";
    };
    path = simple "absolute path" (v: isPath v || isString v && match "/.*" v != null || isAttrs v && v ? outPath);
    package = simple "package" isDerivation;
    ints.unsigned = simple "unsigned integer, meaning >=0" (v: isInt v && v >= 0);
    enum = values: simple "one of ${builtins.toJSON values}" (v: elem v values);
    strMatching = pattern: simple "string matching the pattern ${pattern}" (v: isString v && match pattern v != null);
    nullOr = type: {
      description = "null or ${type.description}";
      check = v: v == null || type.check v;
      merge = location: values: if all (v: v == null) values then null else type.merge location values;
    };
    either = a: b: {
      description = "${a.description} or ${b.description}";
      check = v: a.check v || b.check v;
      merge = location: values: if all a.check values then a.merge location values else b.merge location values;
    };
    oneOf = all: foldl' types.either (head all) (builtins.tail all);
    listOf = type: {
      description = "list of ${type.description}";
      check = isList;
      empty = [ ];
      merge = location: values: map (v: mergeDefinitions location type [ v ]) (concatLists values);
    };
    attrsOf = type: {
      description = "attribute set of ${type.description}";
      check = isAttrs;
      empty = { };
      merge =
        location: values:
        let
          sets = concatMap push values;
          known = filter (name: concatMap unfold (map (s: s.${name}) (filter (hasAttr name) sets)) != [ ]) (
            lib.unique (concatMap attrNames sets)
          );
        in
        listToAttrs (
          map (name: {
            inherit name;
            value = mergeDefinitions (location ++ [ name ]) type (map (s: s.${name}) (filter (hasAttr name) sets));
          }) known
        );
    };
    anything = {
      description = "anything";
      check = _: true;
      merge =
        location: values:
        if all (v: isAttrs v && !(v ? outPath)) values then
          (types.attrsOf types.anything).merge location values
        else if all isList values then
          concatLists values
        else
          one location values;
    };
    submodule = module: {
      description = "submodule";
      check = v: isAttrs v || isFunction v;
      empty = types.submoduleAt [ ] module [ ];
      merge = location: types.submoduleAt location module;
    };
    submoduleAt =
      location: module: values:
      (evalAt location {
        modules = [ module ] ++ map (config: { inherit config; }) values;
        specialArgs.name = if location == [ ] then "" else lib.last location;
      }).config;
  };

  lib = {
    inherit
      types
      any
      all
      concatMap
      concatLists
      filter
      isDerivation
      ;
    inherit (builtins) concatStringsSep;

    evalModules = evalAt [ ];
    mkOption = option: { _type = "option"; } // option;
    mkEnableOption =
      what:
      lib.mkOption {
        type = types.bool;
        default = false;
        description = "Whether to enable ${what}.";
      };
    mkIf = condition: content: {
      _type = "if";
      inherit condition content;
    };
    mkMerge = contents: {
      _type = "merge";
      inherit contents;
    };
    mkOverride = priority: content: {
      _type = "override";
      inherit priority content;
    };
    mkDefault = lib.mkOverride 1000;
    mkForce = lib.mkOverride 50;
    literalExpression = text: { inherit text; };
    literalMD = text: { inherit text; };

    last = list: builtins.elemAt list (length list - 1);
    unique = foldl' (known: v: if elem v known then known else known ++ [ v ]) [ ];
    optional = condition: v: if condition then [ v ] else [ ];
    optionals = condition: list: if condition then list else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    optionalString = condition: text: if condition then text else "";
    concatMapStringsSep =
      separator: f: list:
      lib.concatStringsSep separator (map f list);
    splitString = separator: text: filter isString (builtins.split (lib.escapeRegex separator) text);
    escapeRegex = builtins.replaceStrings [ "." "*" "+" ] [ "\\." "\\*" "\\+" ];
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    removePrefix =
      prefix: text:
      if lib.hasPrefix prefix text then substring (stringLength prefix) (stringLength text - stringLength prefix) text else text;
    hasSuffix =
      suffix: text:
      let
        start = stringLength text - stringLength suffix;
      in
      start >= 0 && substring start (stringLength suffix) text == suffix;
    removeSuffix =
      suffix: text: if lib.hasSuffix suffix text then substring 0 (stringLength text - stringLength suffix) text else text;
    stringToCharacters = text: genList (i: substring i 1 text) (stringLength text);
    nameValuePair = name: value: { inherit name value; };
    filterAttrs =
      keep: set:
      listToAttrs (map (name: lib.nameValuePair name set.${name}) (filter (name: keep name set.${name}) (attrNames set)));
    mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
    mapAttrs' = f: set: listToAttrs (lib.mapAttrsToList f set);
  };
in
lib
