/* SPDX-License-Identifier: MIT */
/* build: -ftls-model=initial-exec */
/* Small thread-local storage in the static block: threads made before dlopen must see the initial value too. */
static __thread int counter = 1000;

int
tlslib2_next(void)
{
	return ++counter - 1000;
}
