/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who acts in the tests of a fixture, and how each of them ends. Included right
 * behind every FIXTURE(), as two_sided.h shows, so not guarded against being
 * included again. Defined before it is:
 *	FIXTURE_NAME	the fixture
 *	FIXTURE_SIDES	if not both: LOCAL_ONLY, REMOTE_ONLY, or NO_VARIANTS; or
 *			what is different instead of the sides: EACH_KIND of
 *			group, EACH_PAIR of kinds
 *	FIXTURE_ENDS	if self has other members than act and ev: their end
 */

#define NO_VARIANTS		0
#define LOCAL_ONLY		1	/* this process does the steps */
#define REMOTE_ONLY		2	/* another actor does, if there is one */
#define LOCAL_AND_REMOTE	3
#define EACH_KIND		4	/* variant->fanotify, or inotify */
#define EACH_PAIR		8	/* variant->fanotify, variant->other_fanotify */

#ifndef FIXTURE_SIDES
#define FIXTURE_SIDES		LOCAL_AND_REMOTE
#endif
#ifndef FIXTURE_ENDS
#define FIXTURE_ENDS		events_close(&self->ev)
#endif

/* The harness pastes names together, which have to be expanded before that. */
#define FIXTURE_CALL(macro, ...)	macro(__VA_ARGS__)

#if FIXTURE_SIDES & LOCAL_AND_REMOTE

FIXTURE_CALL(FIXTURE_VARIANT, FIXTURE_NAME)
{
	bool remote;
};

#if FIXTURE_SIDES & LOCAL_ONLY
FIXTURE_CALL(FIXTURE_VARIANT_ADD, FIXTURE_NAME, local)
{
	.remote = false,
};
#endif

#if FIXTURE_SIDES & REMOTE_ONLY
FIXTURE_CALL(FIXTURE_VARIANT_ADD, FIXTURE_NAME, remote)
{
	.remote = true,
};
#endif

#endif /* FIXTURE_SIDES & LOCAL_AND_REMOTE */

#if FIXTURE_SIDES & EACH_KIND

FIXTURE_CALL(FIXTURE_VARIANT, FIXTURE_NAME)
{
	bool fanotify;
};

FIXTURE_CALL(FIXTURE_VARIANT_ADD, FIXTURE_NAME, inotify)
{
	.fanotify = false,
};

FIXTURE_CALL(FIXTURE_VARIANT_ADD, FIXTURE_NAME, fanotify)
{
	.fanotify = true,
};

#endif /* FIXTURE_SIDES & EACH_KIND */

#if FIXTURE_SIDES & EACH_PAIR

FIXTURE_CALL(FIXTURE_VARIANT, FIXTURE_NAME)
{
	bool fanotify, other_fanotify;
};

FIXTURE_CALL(FIXTURE_VARIANT_ADD, FIXTURE_NAME, inotify_beside_inotify)
{
	.fanotify = false,
	.other_fanotify = false,
};

FIXTURE_CALL(FIXTURE_VARIANT_ADD, FIXTURE_NAME, inotify_beside_fanotify)
{
	.fanotify = false,
	.other_fanotify = true,
};

FIXTURE_CALL(FIXTURE_VARIANT_ADD, FIXTURE_NAME, fanotify_beside_inotify)
{
	.fanotify = true,
	.other_fanotify = false,
};

FIXTURE_CALL(FIXTURE_VARIANT_ADD, FIXTURE_NAME, fanotify_beside_fanotify)
{
	.fanotify = true,
	.other_fanotify = true,
};

#endif /* FIXTURE_SIDES & EACH_PAIR */

/* The folder last: groups that are still open would be told of its end. */
FIXTURE_CALL(FIXTURE_TEARDOWN, FIXTURE_NAME)
{
	FIXTURE_ENDS;
	act_close(&self->act);
}

#undef FIXTURE_CALL
#undef FIXTURE_ENDS
#undef FIXTURE_SIDES
#undef FIXTURE_NAME
