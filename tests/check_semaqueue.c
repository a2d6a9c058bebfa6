/* SPDX-License-Identifier: MIT */
/* Queues of waiters by address, the data structure alone: against a simple model, and its depth. check_sema.c has those who wait. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"
#include "sema.h"
#include "suite.h"

enum { KEYS = 60, ENTRIES = 2000, STEPS = 200000 };

/* Checks order, priorities and links of the treap below t; it returns how many entries hang on it. */
static uint32_t
treecheck(struct semawait *t, struct semawait *parent, uintptr_t lo, uintptr_t hi)
{
	struct semawait *w, *last = NULL;
	uint32_t n = 0;

	if(t == NULL)
		return 0;
	ck_assert_ptr_eq(t->parent, parent);
	ck_assert(t->key >= lo && t->key < hi);
	if(parent)
		ck_assert_uint_ge(t->prio, parent->prio);
	ck_assert_ptr_null(t->prev);
	for(w = t; w; w = w->next){
		ck_assert_uint_eq(w->key, t->key);
		ck_assert_ptr_eq(w->prev, last);
		last = w;
		n++;
	}
	ck_assert_ptr_eq(t->tail, last);
	return n + treecheck(t->left, t, lo, t->key) + treecheck(t->right, t, t->key + 1, hi);
}

static uint32_t
depth(struct semawait *t)
{
	uint32_t l, r;

	if(t == NULL)
		return 0;
	l = depth(t->left);
	r = depth(t->right);
	return 1 + (l > r ? l : r);
}

/* The model: for each key its entries' numbers in order. */
static int model[KEYS][ENTRIES], modeln[KEYS];

static void
modelinsert(int k, int e, bool front)
{
	if(front){
		memmove(&model[k][1], &model[k][0], (size_t)modeln[k] * sizeof(int));
		model[k][0] = e;
	}else{
		model[k][modeln[k]] = e;
	}
	modeln[k]++;
}

static void
modelremove(int k, int e)
{
	int i = 0;

	while(model[k][i] != e)
		i++;
	modeln[k]--;
	memmove(&model[k][i], &model[k][i + 1], (size_t)(modeln[k] - i) * sizeof(int));
}

START_TEST(test_queues_against_model)
{
	static struct semawait w[ENTRIES];
	static int keyof[ENTRIES];
	struct semaroot root = {0};
	uint32_t queued = 0;
	int e, k;

	srand(42);
	for(e = 0; e < ENTRIES; e++)
		keyof[e] = -1;
	for(int step = 0; step < STEPS; step++){
		e = rand() % ENTRIES;
		if(rand() % 8 > step / (STEPS / 8)) /* fewer and fewer towards the end */
			e %= 40;
		k = rand() % KEYS;
		if(keyof[e] < 0){
			bool front = rand() % 4 == 0;

			w[e].key = (uintptr_t)k * 64 + 0x1000;
			semaenqueue(&root, &w[e], front);
			modelinsert(k, e, front);
			keyof[e] = k;
			queued++;
		}else if(rand() % 4 == 0){
			semarequeue(&root, &root, &w[e], (uintptr_t)k * 64 + 0x1000);
			modelremove(keyof[e], e);
			modelinsert(k, e, false);
			keyof[e] = k;
		}else{
			semadequeue(&root, &w[e]);
			ck_assert_ptr_null(w[e].root);
			modelremove(keyof[e], e);
			keyof[e] = -1;
			queued--;
		}
		ck_assert_uint_eq(root.nwait, queued);
		if(step % 500 != 0)
			continue;
		ck_assert_uint_eq(treecheck(root.tree, NULL, 0, UINTPTR_MAX), queued);
		for(k = 0; k < KEYS; k++){
			struct semawait *q = semafirst(&root, (uintptr_t)k * 64 + 0x1000);

			for(int i = 0; i < modeln[k]; i++, q = q->next)
				ck_assert_ptr_eq(q, &w[model[k][i]]);
			ck_assert_ptr_null(q);
		}
	}
}
END_TEST

/* Addresses in order are the worst that a tree without balance could meet. */
START_TEST(test_tree_stays_low)
{
	static struct semawait w[100000];
	struct semaroot root = {0};

	for(size_t i = 0; i < nelem(w); i++){
		w[i].key = 0x7f0000000000 + i * 48;
		semaenqueue(&root, &w[i], false);
	}
	ck_assert_uint_lt(depth(root.tree), 60);
	for(size_t i = 0; i < nelem(w); i += 2)
		semadequeue(&root, &w[i]);
	ck_assert_uint_lt(depth(root.tree), 60);
	ck_assert_uint_eq(treecheck(root.tree, NULL, 0, UINTPTR_MAX), nelem(w) / 2);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("semaqueue");
	TCase *t = tcase_create("treap");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_queues_against_model);
	tcase_add_test(t, test_tree_stays_low);
	suite_add_tcase(s, t);
	return runsuite(s);
}
