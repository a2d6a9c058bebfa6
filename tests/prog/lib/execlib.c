/* SPDX-License-Identifier: MIT */
/* build: -Wl,-z,execstack */
/* A library that calls a nested function through its address: it needs executable stacks. */
long nested(long k);

static long
apply(long (*fn)(long), long x)
{
	__asm__ volatile("" ::: "memory");
	return fn(x);
}

long
nested(long k)
{
	long add(long x) { return x + k; }
	long (*volatile fn)(long) = add;

	return apply(fn, 1);
}
