# heddle: see README.md. Targets: all check conformance demo bench soak asan tsan install uninstall clean. V=1 shows commands.
CC      ?= gcc
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
BUILD   ?= build
VERSION := 0.1

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

WARN   := -Wall -Wextra -Wno-unused-parameter -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla
CFLAGS ?= -O2 -g
HCFLAGS := -std=gnu11 $(WARN) -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-strict-aliasing \
	   -fno-omit-frame-pointer -U_FORTIFY_SOURCE -D_GNU_SOURCE -DHEDDLE_VERSION='"$(VERSION)"' -Icore -Iasm -Ishim

CORE_C := $(wildcard core/*.c)
SHIM_C := $(wildcard shim/*.c)
ASM_S  := $(wildcard asm/*.S)
CORE_O := $(CORE_C:%.c=$(BUILD)/%.o)
SHIM_O := $(SHIM_C:%.c=$(BUILD)/%.o)
ASM_O  := $(ASM_S:%.S=$(BUILD)/%.o)
ifdef SANITIZE
CORE_O := $(filter-out $(BUILD)/core/tls%,$(CORE_O)) $(BUILD)/tests/sanitize.o
endif
CMD_C  := $(wildcard shim/cmd/*.c)
CMD_O  := $(CMD_C:%.c=$(BUILD)/%.o)

all: $(BUILD)/libheddle.so $(BUILD)/heddle

# The runtime without its libc face: what the unit tests link.
$(BUILD)/core.a: $(CORE_O) $(ASM_O)
	$(call say,AR,$@)
	$(Q)rm -f $@; $(AR) rcs $@ $^

# What the library exports: shim/symbols.def.
$(BUILD)/libheddle.map: scripts/mkmap.sh $(wildcard shim/*.def)
	$(call say,MAP,$@)
	$(Q)mkdir -p $(@D)
	$(Q)CC="$(CC)" scripts/mkmap.sh > $@.tmp && mv $@.tmp $@

$(BUILD)/libheddle.so: $(CORE_O) $(SHIM_O) $(ASM_O) $(BUILD)/libheddle.map
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -nostartfiles -o $@ $(CORE_O) $(SHIM_O) $(ASM_O) \
	  -Wl,--version-script=$(BUILD)/libheddle.map,-z,defs,-z,now,-z,relro,-z,noexecstack,-soname,libheddle.so,-Bsymbolic

# Where the command looks for the library; rebuilt when make is told another place.
$(BUILD)/shim/cmd/libdir.h: always
	$(Q)mkdir -p $(@D)
	$(Q)echo '#define HEDDLE_LIBDIR "$(LIBDIR)"' | cmp -s - $@ || echo '#define HEDDLE_LIBDIR "$(LIBDIR)"' > $@

# The lists that heddle check has built in: what needs no treatment, and the names of system calls.
$(BUILD)/shim/cmd/harmless.h: shim/libc_harmless.list
	$(Q)mkdir -p $(@D)
	$(Q)sed 's/#.*//' $< | tr -s ' \t' '\n\n' | sed -n 's/..*/"&",/p' > $@
$(BUILD)/shim/cmd/syscalls.h:
	$(Q)mkdir -p $(@D)
	$(Q)echo '#include <sys/syscall.h>' | $(CC) -E -dM - | \
	  sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9][0-9]*\)$$/[\2] = "\1",/p' > $@

# libelf's header, for heddle check.
LIBELF_H ?= /usr/include/libelf.h
$(LIBELF_H):
	$(Q)scripts/deps.sh $@:libelf-dev
$(CMD_O): | $(LIBELF_H)

$(CMD_O): HCFLAGS += -I$(BUILD)/shim/cmd
$(BUILD)/shim/cmd/table.o: $(BUILD)/shim/cmd/harmless.h
$(BUILD)/shim/cmd/rawcall.o: $(BUILD)/shim/cmd/syscalls.h
$(BUILD)/shim/cmd/heddle.o: $(BUILD)/shim/cmd/libdir.h

$(BUILD)/heddle: $(CMD_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lelf

$(BUILD)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HCFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.S
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HCFLAGS) -MMD -MP -c -o $@ $<

# Tests. Unit tests link the core without its libc face; the programs know nothing of heddle.
CHECK_C   := $(wildcard tests/check_*.c)
CHECK_BIN := $(CHECK_C:tests/%.c=$(BUILD)/tests/%)
PKGCONFIG ?= pkg-config

$(BUILD)/tests/check_%: tests/check_%.c $(BUILD)/core.a
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HCFLAGS) -MMD -MP -MF $@.d $$($(PKGCONFIG) --cflags check) -o $@ $< $(BUILD)/core.a \
	  $$($(PKGCONFIG) --libs check)

check: deps
	$(Q)$(MAKE) --no-print-directory all $(CHECK_BIN)
	$(Q)BUILD=$(BUILD) scripts/check.sh

check-unit: $(CHECK_BIN)
	$(Q)BUILD=$(BUILD) scripts/check.sh unit

check-prog: all
	$(Q)BUILD=$(BUILD) scripts/check.sh prog

# Sanitizers: the unit tests of the core, each in an object folder of its own, with tests/sanitize.c instead of Gs' own TLS, of
# which check_tls is a test; check_preempted knows every instruction. tsan gets those that do not hand Ps to and fro: what orders
# that is membarrier(2), of which tsan knows nothing, so that all that a P owns would be a race.
SAN_asan  := $(filter-out check_tls check_preempted,$(CHECK_C:tests/%.c=%))
SAN_tsan  := check_runq check_timer check_stack
SAN_FLAGS := -O1 -g -fno-sanitize-recover=all
asan: SAN = address,undefined
tsan: SAN = thread -Wno-tsan
asan tsan: deps
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/$@ SANITIZE=1 CFLAGS="$(SAN_FLAGS) -DSANITIZE -fsanitize=$(SAN)" \
	  $(SAN_$@:%=$(BUILD)/$@/tests/%)
	$(Q)CK_TIMEOUT_MULTIPLIER=10 BUILD=$(BUILD)/$@ scripts/check.sh unit

# heddle check with files made to mislead it; see tests/fuzz/check.c. FUZZ_SECONDS=n.
FUZZ_SECONDS ?= 300
FUZZ_C := $(filter-out shim/cmd/heddle.c shim/cmd/check.c shim/cmd/options.c,$(CMD_C))
$(BUILD)/fuzz/check: tests/fuzz/check.c $(FUZZ_C) $(wildcard shim/cmd/*.h shim/*.def) $(BUILD)/heddle
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SAN_FLAGS) -fsanitize=address,undefined $(HCFLAGS) -Ishim/cmd -I$(BUILD)/shim/cmd -o $@ $< $(FUZZ_C) -lelf

fuzz: $(BUILD)/fuzz/check
	$(Q)$(BUILD)/fuzz/check $(FUZZ_SECONDS) $(BUILD)/heddle $(BUILD)/libheddle.so /bin/true

# Everything with longer loops, under stress and with faults, again and again: MINUTES=n ROUNDS=n SOAK="NAME..." SEED=n
# SOAK_SCALE=n, see scripts/soak.sh.
soak: all fuzz
	$(Q)BUILD=$(BUILD) MINUTES="$(MINUTES)" ROUNDS="$(ROUNDS)" SOAK="$(SOAK)" SOAK_SCALE="$(SOAK_SCALE)" SEED="$(SEED)" \
	  scripts/soak.sh

# Suites that others wrote, natively and under heddle: SUITES="glibc python redis memcached stressng" ONLY=regex NATIVE=1
# JOBS=n, work below CONFORMANCE_DIR. As root on Debian 12; fetches their sources. See tests/conformance/conformance.py.
conformance: all
	$(Q)BUILD=$(BUILD) $(if $(value ONLY),ONLY='$(value ONLY)') tests/conformance/conformance.py

deps:
	$(Q)scripts/deps.sh

# bench: measure heddle against native threads, Go, an epoll loop and State Threads. QUICK=1, BENCH_ROUNDS=n,
# GROUPS="micro echo", RUNTIMES="heddle native", CONNECTIONS=100,1000; see scripts/bench.py --help.
BENCH_BIN := $(addprefix $(BUILD)/bench/,micro handoff hog sleep echo echo_epoll load startup)
ifneq ($(wildcard /usr/include/st.h),)
BENCH_BIN += $(BUILD)/bench/micro_st $(BUILD)/bench/echo_st
endif
ifneq ($(wildcard $(addsuffix /go,$(subst :, ,$(PATH)))),)
BENCH_BIN += $(BUILD)/bench/micro_go $(BUILD)/bench/echo_go $(BUILD)/bench/latency_go
endif
BENCH_CC = $(CC) $(CFLAGS) -std=gnu11 $(WARN) -D_GNU_SOURCE $(LDFLAGS) -o $@

bench: all bench-programs
	$(Q)scripts/bench.py --build $(BUILD) $(if $(QUICK),--quick) $(if $(BENCH_ROUNDS),--rounds $(BENCH_ROUNDS)) \
	  --groups "$(GROUPS)" --runtimes "$(RUNTIMES)" --connections "$(CONNECTIONS)"

bench-programs: $(BENCH_BIN)

$(BUILD)/bench/%_st: tests/bench/%.c tests/bench/bench.c $(wildcard tests/bench/*.h)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BENCH_CC) -include tests/bench/as_st.h $< tests/bench/bench.c -lst

$(BUILD)/bench/%_go: tests/bench/%.go
	$(call say,GO,$@)
	$(Q)mkdir -p $(@D)
	$(Q)GO111MODULE=off GOCACHE=$(abspath $(BUILD))/bench/gocache go build -o $@ $<

$(BUILD)/bench/clients: $(wildcard tests/bench/clients*.[ch]) tests/bench/bench.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BENCH_CC) $(filter %.c,$^)

$(BUILD)/bench/%: tests/bench/%.c tests/bench/bench.c $(wildcard tests/bench/*.h)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BENCH_CC) $< tests/bench/bench.c -pthread

INSTALL   ?= install
BINDIR    ?= $(PREFIX)/bin
MANDIR    ?= $(PREFIX)/share/man
INCDIR    ?= $(PREFIX)/include
# What install puts below DESTDIR, and uninstall takes away.
INSTALLED := $(BINDIR)/heddle $(LIBDIR)/libheddle.so $(INCDIR)/heddle.h $(MANDIR)/man1/heddle.1

# demo: a real server with 1,000 and 10,000 connections, natively and under heddle. See scripts/demo.sh.
demo:
	$(Q)BUILD=$(BUILD) scripts/demo.sh

# The manual's list of options is that of options.def.
$(BUILD)/heddle.1: scripts/heddle.1 core/options.def
	$(call say,MAN,$@)
	$(Q)sed -n -e 's/^OPTION(\([a-z]*\), *FLAG, *"- \(.*\)")$$/.It Cm \1\n\2/p' \
	  -e 's/^OPTION(\([a-z]*\), *[A-Z]*, *"\([^ ]*\) \(.*\)")$$/.It Cm \1 Ns = Ns Ar \2\n\3/p' \
	  core/options.def > $@.options
	$(Q)sed -e '/^@OPTIONS@$$/{r $@.options' -e 'd}' $< > $@

install: all $(BUILD)/heddle.1
	$(Q)for d in $(BINDIR) $(LIBDIR) $(INCDIR) $(MANDIR)/man1; do $(INSTALL) -d "$(DESTDIR)$$d" || exit 1; done
	$(Q)$(INSTALL) -m 755 $(BUILD)/heddle "$(DESTDIR)$(BINDIR)/heddle"
	$(Q)$(INSTALL) -m 644 $(BUILD)/libheddle.so "$(DESTDIR)$(LIBDIR)/libheddle.so"
	$(Q)$(INSTALL) -m 644 shim/heddle.h "$(DESTDIR)$(INCDIR)/heddle.h"
	$(Q)$(INSTALL) -m 644 $(BUILD)/heddle.1 "$(DESTDIR)$(MANDIR)/man1/heddle.1"

uninstall:
	$(Q)for f in $(INSTALLED); do rm -f "$(DESTDIR)$$f" || exit 1; done

clean:
	rm -rf $(BUILD)

.PHONY: all always asan tsan fuzz demo check conformance check-unit check-prog soak deps bench bench-programs install uninstall clean
-include $(CHECK_BIN:=.d) $(CORE_O:.o=.d) $(SHIM_O:.o=.d) $(ASM_O:.o=.d) $(CMD_O:.o=.d)
