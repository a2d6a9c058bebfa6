/* SPDX-License-Identifier: MIT */
/* getaddrinfo, getnameinfo and the name-service switch from 50 threads at once. */
#include "io_util.h"
#include <grp.h>
#include <netdb.h>
#include <pwd.h>

static void *
lookup(void *arg)
{
	for(int i = 0, n = scale(10); i < n; i++) {
		struct addrinfo hint = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *ai;
		char host[64], serv[32];
		EQ(getaddrinfo("localhost", "80", &hint, &ai), 0);
		struct sockaddr_in *sa = (struct sockaddr_in *)ai->ai_addr;
		EQ(ntohl(sa->sin_addr.s_addr), INADDR_LOOPBACK);
		EQ(ntohs(sa->sin_port), 80);
		EQ(getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof host, serv, sizeof serv,
		    NI_NUMERICHOST | NI_NUMERICSERV), 0);
		CHECK(strcmp(host, "127.0.0.1") == 0 && strcmp(serv, "80") == 0);
		freeaddrinfo(ai);
		hint.ai_flags = AI_NUMERICHOST;
		EQ(getaddrinfo("not.a.number", NULL, &hint, &ai), EAI_NONAME);
		EQ(getaddrinfo("10.1.2.3", NULL, &hint, &ai), 0);
		freeaddrinfo(ai);

		struct passwd pw, *pp;
		struct group gr, *gp;
		char buf[4096];
		EQ(getpwnam_r("root", &pw, buf, sizeof buf, &pp), 0);
		CHECK(pp == &pw && pw.pw_uid == 0);
		EQ(getgrgid_r(0, &gr, buf, sizeof buf, &gp), 0);
		CHECK(gp == &gr && strcmp(gr.gr_name, "root") == 0);
		EQ(getpwnam_r("no-such-user-here", &pw, buf, sizeof buf, &pp), 0);
		CHECK(pp == NULL);
	}
	return NULL;
}

int
main(void)
{
	joinall(spawnall(50, lookup), 50);
	pass("50 threads");
	/* And from the main thread, after them. */
	lookup(NULL);
	pass("main");
	return 0;
}
