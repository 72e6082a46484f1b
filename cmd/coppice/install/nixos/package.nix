# The package, from the source that this file is in.
{
  lib,
  buildGoModule,
  installShellFiles,
  version ? "0.0.0-dev",
}:

buildGoModule {
  pname = "coppice";
  inherit version;
  src = ../../../..;

  # Of what "go mod vendor" writes; a test compares it.
  vendorHash = "sha256-XxM/Qoz3QZIWIefeeccdXiSQNq06pZQgnv33wZYhUsk=";

  # One static binary, for the initrd too.
  env.CGO_ENABLED = 0;
  subPackages = [ "cmd/coppice" ];
  # What is left out of it.
  tags = lib.splitString "," (lib.fileContents ../../tags);
  ldflags = [
    "-s"
    "-w"
    "-X main.release=${version}"
  ];

  # The tests need root, loop devices and virtual machines.
  doCheck = false;

  nativeBuildInputs = [ installShellFiles ];
  postInstall = ''
    for shell in bash zsh fish; do
      $out/bin/coppice completion $shell >coppice.$shell
    done
    installShellCompletion coppice.{bash,zsh,fish}
  '';

  meta = {
    description = "Executes storage playbooks on servers with btrfs";
    homepage = "https://github.com/hbohlen/coppice";
    license = lib.licenses.asl20;
    platforms = lib.platforms.linux;
    mainProgram = "coppice";
  };
}
