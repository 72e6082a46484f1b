package protocol

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/hbohlen/coppice/sdk/plugintest/need"
)

// versions is the comment in which the generators name themselves.
var versions = regexp.MustCompile(`(?m)^// [\t-]+ ?protoc.*\n`)

// TestGeneratedCodeFitsTheProto generates again and compares.
func TestGeneratedCodeFitsTheProto(t *testing.T) {
	if _, err := exec.LookPath("protoc"); err != nil {
		need.Missing(t, "protoc", "protoc is missing: Debian's protobuf-compiler has it")
	}
	dir := t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		c := exec.Command(name, args...)
		c.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	run("go", "build", "-o", dir+"/", "google.golang.org/protobuf/cmd/protoc-gen-go",
		"google.golang.org/grpc/cmd/protoc-gen-go-grpc")
	run("protoc", "--go_out="+dir, "--go_opt=paths=source_relative", "--go-grpc_out="+dir,
		"--go-grpc_opt=paths=source_relative", "plugin.proto")
	for _, name := range []string{"plugin.pb.go", "plugin_grpc.pb.go"} {
		have, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(versions.ReplaceAll(have, nil), versions.ReplaceAll(want, nil)) {
			t.Errorf("%s is not what plugin.proto gives: run make generate", name)
		}
	}
}
