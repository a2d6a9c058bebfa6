/* SPDX-License-Identifier: MIT */
/*
 * json.c: the report for programs, as JSON (RFC 8259): always well-formed and in UTF-8,
 * whatever bytes the names in a file are made of. What is no UTF-8 becomes U+FFFD.
 */
#include <string.h>

#include "check.h"
#include "rawcall.h"

/* The length of the UTF-8 character at p, which ends with '\0' somewhere; 0 if there is none. */
static unsigned
utf8(const unsigned char *p)
{
	unsigned n = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;

	for(unsigned i = 1; i < n; i++)
		if((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what is beyond U+10FFFF. */
	if((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
	    (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static void
string(FILE *f, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned n;

	if(s == NULL) {
		fputs("null", f);
		return;
	}
	fputc('"', f);
	for(; *p != '\0'; p += n) {
		n = utf8(p);
		if(n == 0) {
			fputs("\\ufffd", f);
			n = 1;
		} else if(*p == '"' || *p == '\\') {
			fprintf(f, "\\%c", *p);
		} else if(*p < 0x20 || *p == 0x7f) {
			fprintf(f, "\\u%04x", *p);
		} else {
			fwrite(p, 1, n, f);
		}
	}
	fputc('"', f);
}

/* "key": value, with a comma before if it is not the first member. */
static void
member(FILE *f, const char *key, const char *value)
{
	fprintf(f, ",\n      \"%s\": ", key);
	string(f, value);
}

static void
truth(FILE *f, const char *key, int value)
{
	fprintf(f, ",\n      \"%s\": %s", key, value ? "true" : "false");
}

static void
version(FILE *f, const char *key, const struct object *o, int minor)
{
	if(o != NULL)
		fprintf(f, ",\n      \"%s\": \"2.%d\"", key, minor);
	else
		fprintf(f, ",\n      \"%s\": null", key);
}

static void
remarks(FILE *f, const struct report *r)
{
	fputs(",\n      \"remarks\": [", f);
	for(const struct remark *m = r->remarks; m != NULL; m = m->next) {
		fprintf(f, "%s\n        {\"kind\": \"%s\", \"text\": ", m == r->remarks ? "" : ",", m->key);
		string(f, m->text);
		fputc('}', f);
	}
	fputc(']', f);
}

static void
libraries(FILE *f, const struct report *r)
{
	const char *comma = "";

	fputs(",\n      \"libraries\": [", f);
	for(const struct object *o = r->libs.first->next; o != NULL; o = o->next, comma = ",") {
		fprintf(f, "%s\n        {\"name\": ", comma);
		string(f, o->name);
		fputs(", \"path\": ", f);
		string(f, o->path);
		fprintf(f, ", \"glibc\": %s}", o->glibc ? "true" : "false");
	}
	fputs("],\n      \"missing\": [", f);
	comma = "";
	for(const struct missing *m = r->libs.missing; m != NULL; m = m->next, comma = ",") {
		fprintf(f, "%s\n        {\"name\": ", comma);
		string(f, m->name);
		fputs(", \"for\": ", f);
		string(f, m->loader->name);
		fputs(", \"why\": ", f);
		string(f, m->why);
		fputc('}', f);
	}
	fputc(']', f);
}

static void
uses(FILE *f, const struct report *r)
{
	fputs(",\n      \"imports\": {", f);
	for(int k = 0; k < NKINDS; k++) {
		const char *comma = "";

		fprintf(f, "%s\n        \"%s\": [", k > 0 ? "," : "", kindname(k));
		for(size_t i = 0; i < r->nuses; i++) {
			if((int)r->uses[i].kind != k)
				continue;
			fprintf(f, "%s\n          {\"name\": ", comma);
			string(f, r->uses[i].name);
			fputs(", \"by\": ", f);
			string(f, r->uses[i].by->name);
			fputs(", \"why\": ", f);
			string(f, whytreated(r->uses[i].name));
			fputc('}', f);
			comma = ",";
		}
		fputc(']', f);
	}
	fputc('}', f);
}

static void
calls(FILE *f, const struct report *r)
{
	const char *comma = "";

	fputs(",\n      \"syscalls\": [", f);
	for(const struct object *o = r->libs.first; o != NULL; o = o->next)
		for(const struct rawcall *c = o->calls; c != NULL; c = c->next, comma = ",") {
			fprintf(f, "%s\n        {\"object\": ", comma);
			string(f, o->path);
			fprintf(f, ", \"address\": %llu, \"function\": ", (unsigned long long)c->addr);
			string(f, c->function);
			fprintf(f, ", \"offset\": %llu, \"instruction\": ", (unsigned long long)c->offset);
			string(f, c->insn);
			fprintf(f, ", \"number\": ");
			if(c->nr >= 0)
				fprintf(f, "%ld", c->nr);
			else
				fputs("null", f);
			fputs(", \"name\": ", f);
			string(f, c->insn[0] == 's' ? callname(c->nr) : NULL);
			fprintf(f, ", \"certain\": %s}", c->certain ? "true" : "false");
		}
	fputc(']', f);
}

/* The objects that import name. */
static void
importers(FILE *f, const struct report *r, const char *name)
{
	const char *comma = "";

	fprintf(f, ",\n      \"%s\": [", name);
	for(const struct object *o = r->libs.first; o != NULL; o = o->next)
		if(imports(o, name)) {
			fputs(comma, f);
			string(f, o->path);
			comma = ", ";
		}
	fputc(']', f);
}

void
beginjson(FILE *f)
{
	fprintf(f, "{\n  \"heddle\": \"%s\",\n  \"files\": [", HEDDLE_VERSION);
}

void
writejson(FILE *f, const struct report *r, int first)
{
	const struct object *o = r->libs.first;

	fprintf(f, "%s\n    {\n      \"file\": ", first ? "" : ",");
	string(f, r->file);
	member(f, "verdict", outcomename(r->outcome));
	fprintf(f, ",\n      \"status\": %d", (int)r->outcome);
	member(f, "cause", r->cause);
	member(f, "remedy", r->remedy);
	remarks(f, r);
	if(r->outcome != ERROR) {
		member(f, "path", r->path);
		truth(f, "script", r->script);
		truth(f, "library", r->library);
		truth(f, "dynamic", o->dynamic || o->interp != NULL);
		truth(f, "go", o->go);
		member(f, "interpreter", o->interp);
	}
	if(r->detailed) {
		member(f, "secure", r->secure);
		member(f, "libc", r->libc != NULL ? r->libc->path : NULL);
		version(f, "glibc", r->libc, r->libc != NULL ? r->libc->glibcmax : 0);
		version(f, "needs", r->needs, r->needs != NULL ? r->needs->glibcneed : 0);
		libraries(f, r);
		uses(f, r);
		calls(f, r);
		importers(f, r, "pthread_create");
		importers(f, r, "dlopen");
		importers(f, r, "dlsym");
		importers(f, r, "clone");
	}
	fputs("\n    }", f);
}

void
endjson(FILE *f)
{
	fputs("\n  ]\n}\n", f);
}
