# make demo    rehearse the snapshot-rotation playbook: really executed, on a throw-away btrfs
# make test    all tests, with everything they need installed
# make check   the fast part of the tests: format, vet, staticcheck, unit tests
# make bench   measure against the shell, and btrbk and snapper where installed
# make build   .bin/coppice
# make install PREFIX=/usr/local
# make deb     the Debian package, in .bin
#
# Set-up installs Debian packages where they are missing. On a person's machine
# it asks first; YES=1, CI=true and scripts without a terminal are not asked.

GO     ?= go
PREFIX ?= /usr/local
BIN    := .bin
export YES

.PHONY: build demo test check bench generate install deb clean

# What is left out of the program: gRPC's tracing pages, which nobody could open, and HTTP/2 where messages are sent. Most of a MiB.
TAGS := $(shell cat cmd/coppice/tags)

build:
	@.ci/need go
	@CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -ldflags '-s -w' -o $(BIN)/coppice ./cmd/coppice

demo: build
	@.ci/need btrfs
	@.ci/as-root $(BIN)/coppice rehearse snapshot-rotation

test:
	@.ci/test

check:
	@.ci/need go
	@.ci/check

bench: build
	@.ci/need btrfs
	@.ci/offer btrbk snapper
	@CGO_ENABLED=0 $(GO) build -o $(BIN)/ ./cmd/bench ./cmd/bench/bare
	@.ci/as-root $(BIN)/bench $(BIN)/coppice

generate:
	@.ci/need go protoc
	@$(GO) generate ./...

install:
	@test -x $(BIN)/coppice || $(MAKE) --no-print-directory build
	install -D -m 0755 $(BIN)/coppice $(DESTDIR)$(PREFIX)/bin/coppice
	install -D -m 0644 cmd/coppice/install/prometheus/coppice.rules.yml $(DESTDIR)$(PREFIX)/share/coppice/coppice.rules.yml

deb:
	@.ci/need go
	@mkdir -p $(BIN)
	@cmd/coppice/install/debian/build.sh $(BIN)

clean:
	rm -rf $(BIN)
