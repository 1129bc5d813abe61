/* Checks that print one line each and count, for the C host tests. */
#ifndef AET_TESTS_CHECK_H
#define AET_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aet.h"

static int passed, failed;

static void check(const char *what, int holds)
{
    if (holds) {
        passed++;
        printf("ok    %s\n", what);
    } else {
        failed++;
        printf("FAIL  %s\n", what);
    }
    fflush(stdout); /* a crash must not swallow lines, a fork must not double them */
}

/* A call has ended with one of two codes; a fault must come with a text that mentions the argument. */
static void expect_any(const char *what, aet_status got, aet_status wanted, aet_status alternative,
                       const char *mention)
{
    const char *message = got >= 100 ? aet_last_error_message() : "";
    const int code_holds = got == wanted || got == alternative;
    const int text_holds = got < 100 || (message[0] != '\0' && strstr(message, mention) != NULL);
    if (code_holds && text_holds) {
        passed++;
        printf("ok    %s: %s %s\n", what, aet_status_name(got), message);
    } else {
        failed++;
        printf("FAIL  %s: got %s \"%s\", wanted %s", what, aet_status_name(got), message, aet_status_name(wanted));
        if (alternative != wanted) printf(" or %s", aet_status_name(alternative));
        printf(" mentioning \"%s\"\n", mention);
    }
    fflush(stdout);
}

static void expect(const char *what, aet_status got, aet_status wanted, const char *mention)
{
    expect_any(what, got, wanted, wanted, mention);
}

/* A constructor has failed with a code and left its out-pointer alone. */
static void expect_nothing(const char *what, aet_status got, aet_status wanted, const char *mention,
                           const void *created)
{
    expect(what, got, wanted, mention);
    if (created != NULL) check("nothing is written on failure", 0);
}

/* What a test needs before it can begin. */
static void require(aet_status status, const char *what)
{
    if (status >= 100) {
        printf("FAIL  %s: %s %s\n%d passed, %d failed\n", what, aet_status_name(status), aet_last_error_message(),
               passed, failed + 1);
        exit(EXIT_FAILURE);
    }
}

static int report(void)
{
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
