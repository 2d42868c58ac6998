# Two commands do everything on a fresh Debian machine with Rust: `make demo` and `make test`.

CARGO ?= cargo
DIRECTOR = target/release/director

.PHONY: help build demo test package package-test setup-demo setup-test bench clean

help:
	@echo 'make demo    set up, build, and play the two-director experiment with real IPVS and traffic'
	@echo 'make test    set up, then run every check and test of the project'
	@echo 'make build   build $(DIRECTOR)'
	@echo 'make package build a Debian package; make package-test installs, starts, upgrades and purges it'
	@echo 'make bench   run the benchmarks (criterion)'

build:
	$(CARGO) build --release --locked --bin director

demo: setup-demo build
	$(DIRECTOR) lab run examples/dual-master-dr $(DEMO_FLAGS)

test: setup-test
	scripts/test

setup-demo:
	@scripts/setup demo

setup-test:
	@scripts/setup test

package: build
	packaging/build-deb

package-test: build
	packaging/test-deb

bench:
	$(CARGO) bench --locked -p benches

clean:
	$(CARGO) clean
