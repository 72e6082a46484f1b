# coppice as a flake: the package, and the NixOS module. There is no flake.lock: whoever uses it lets its nixpkgs follow his own, which
# must have Go 1.26 or newer, as NixOS 26.05 has. See docs/how-to/use-on-nixos.md.
{
  description = "Executes storage playbooks on servers with btrfs";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      version = "0.0.0-dev-${self.shortRev or self.dirtyShortRev or "unknown"}";
      package = pkgs: pkgs.callPackage ./cmd/coppice/install/nixos/package.nix { inherit version; };
    in
    {
      packages = nixpkgs.lib.genAttrs systems (
        system:
        let
          coppice = package nixpkgs.legacyPackages.${system};
        in
        {
          inherit coppice;
          default = coppice;
        }
      );

      # The package is built with the system's own nixpkgs.
      nixosModules.default =
        { lib, pkgs, ... }:
        {
          imports = [ ./cmd/coppice/install/nixos/module.nix ];
          services.coppice.package = lib.mkDefault (package pkgs);
        };
    };
}
