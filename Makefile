# The commands of a Godwit source tree. Meson does the building; this file names what people want.
#
#   make run      build, start a demo server on loopback, say how to send and read a first mail; Ctrl-C stops it
#   make test     build with sanitizers, run everything
#   make quick    unit and wire tests without sanitizers, under a minute
#   make check T=NAME   one test;   make fuzz T=NAME [SECONDS=60]   one fuzz target under libFuzzer
#   make bench    measure against Postfix, write docs/benchmarks.md
#   make install [PREFIX=/usr/local] [DESTDIR=]
#   make deps     print the Debian packages that building and testing need

SHELL := /bin/bash
PREFIX ?= /usr/local
SECONDS ?= 60
BUILD := build/release
ASAN := build/asan
FUZZ := build/fuzz
MESON := meson setup --prefix=$(PREFIX)

.PHONY: all run test quick check fuzz bench install deps docs clean build-deps test-deps

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

build-deps:
	@tools/deps.sh build

test-deps:
	@tools/deps.sh test

$(BUILD)/build.ninja: | build-deps
	@CC="$${CC:-cc}" $(MESON) --buildtype=release -Dtests=false $(BUILD) >build/release.log 2>&1 || { cat build/release.log; exit 1; }

$(ASAN)/build.ninja: | test-deps
	@$(MESON) --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false $(ASAN) >build/asan.log 2>&1 || { cat build/asan.log; exit 1; }

build/quick/build.ninja: | test-deps
	@$(MESON) --buildtype=debugoptimized build/quick >build/quick.log 2>&1 || { cat build/quick.log; exit 1; }

run: all
	@tools/demo.sh $(BUILD)

test: $(ASAN)/build.ninja all
	@tests/run $(ASAN) $(BUILD)

quick: build/quick/build.ninja
	@ninja -C build/quick --quiet && meson test -C build/quick --no-rebuild --suite unit --suite wire --print-errorlogs

check: build/quick/build.ninja
	@ninja -C build/quick --quiet && meson test -C build/quick --no-rebuild --verbose $(T)

fuzz: | test-deps
	@tools/fuzz.sh $(FUZZ) "$(T)" $(SECONDS)

bench: all
	@bench/run $(BUILD)

docs: build/quick/build.ninja
	@ninja -C build/quick docs

# The tree may have been built for another prefix (`make run` asks for none); only the unit depends on it.
install: all
	@meson configure --prefix=$(PREFIX) $(BUILD)
	@ninja -C $(BUILD)
	@DESTDIR="$(DESTDIR)" meson install -C $(BUILD) --no-rebuild

deps:
	@tools/deps.sh print

clean:
	rm -rf build
