# heddle: see README.md. Targets: all check demo bench soak asan tsan install clean. V=1 shows commands.
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
	   -fno-omit-frame-pointer -D_GNU_SOURCE -DHEDDLE_VERSION='"$(VERSION)"' -Icore -Iasm -Ishim

CORE_C := $(wildcard core/*.c)
SHIM_C := $(wildcard shim/*.c)
ASM_S  := $(wildcard asm/*.S)
CORE_O := $(CORE_C:%.c=$(BUILD)/%.o)
SHIM_O := $(SHIM_C:%.c=$(BUILD)/%.o)
ASM_O  := $(ASM_S:%.S=$(BUILD)/%.o)
CMD_C  := $(wildcard shim/cmd/*.c)
CMD_O  := $(CMD_C:%.c=$(BUILD)/%.o)

all: $(BUILD)/libheddle.so $(BUILD)/heddle

# The runtime without its libc face: what the unit tests link.
$(BUILD)/core.a: $(CORE_O) $(ASM_O)
	$(call say,AR,$@)
	$(Q)rm -f $@; $(AR) rcs $@ $^

$(BUILD)/libheddle.so: $(CORE_O) $(SHIM_O) $(ASM_O) shim/libheddle.map
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -nostartfiles -o $@ $(CORE_O) $(SHIM_O) $(ASM_O) \
	  -Wl,--version-script=shim/libheddle.map,-z,defs,-z,now,-z,relro,-z,noexecstack,-soname,libheddle.so,-Bsymbolic

$(BUILD)/heddle: $(CMD_O)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HCFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.S
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(HCFLAGS) -MMD -MP -c -o $@ $<

clean:
	rm -rf $(BUILD)

.PHONY: all clean
-include $(CORE_O:.o=.d) $(SHIM_O:.o=.d) $(ASM_O:.o=.d) $(CMD_O:.o=.d)
