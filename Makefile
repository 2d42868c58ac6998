# Two commands do everything on a fresh Debian machine with Rust: `make demo` and `make test`.

CARGO ?= cargo
DIRECTOR = target/release/director
# The build for packages is optimised more, and takes longer.
PACKAGED = target/dist/director

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

package: $(PACKAGED)
	packaging/build-deb $(PACKAGED)

package-test: $(PACKAGED)
	packaging/test-deb $(PACKAGED)

# cargo knows best whether it is up to date.
.PHONY: $(PACKAGED)
$(PACKAGED):
	$(CARGO) build --profile dist --locked --bin director

bench:
	$(CARGO) bench --locked -p benches

clean:
	$(CARGO) clean
