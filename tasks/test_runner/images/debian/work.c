/* Three kinds of work, each checked by its result: memory (a sieve), floating point (an orbit) and
 * branches (sorting). Prints the milliseconds of each as one JSON object. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static void require(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "wrong result: %s\n", what);
        exit(1);
    }
}

static void sieve(void)
{
    enum { LIMIT = 2000000 };
    unsigned char *composite = calloc(LIMIT, 1);
    int primes = 0;
    require(composite != NULL, "memory for the sieve");
    for (int number = 2; number < LIMIT; number++) {
        if (composite[number])
            continue;
        primes++;
        for (int64_t multiple = (int64_t)number * number; multiple < LIMIT; multiple += number)
            composite[multiple] = 1;
    }
    free(composite);
    require(primes == 148933, "the number of primes below two million");
}

static void orbit(void)
{
    double x = 1, y = 0, vx = 0, vy = 1;
    const double step = 1e-4;
    for (int count = 0; count < 200000; count++) {
        double cube = pow(x * x + y * y, 1.5);
        vx -= step * x / cube;
        vy -= step * y / cube;
        x += step * vx;
        y += step * vy;
    }
    require(fabs(hypot(x, y) - 1) < 1e-3, "the radius of a circular orbit");
}

static int ascending(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void sorting(void)
{
    enum { COUNT = 200000 };
    uint32_t *numbers = malloc(COUNT * sizeof *numbers);
    uint32_t state = 1;
    require(numbers != NULL, "memory for the numbers");
    for (int index = 0; index < COUNT; index++)
        numbers[index] = state = state * 1664525u + 1013904223u;
    qsort(numbers, COUNT, sizeof *numbers, ascending);
    for (int index = 1; index < COUNT; index++)
        require(numbers[index - 1] <= numbers[index], "the order of the numbers");
    free(numbers);
}

int main(void)
{
    const struct {
        const char *name;
        void (*run)(void);
    } parts[] = { { "sieve", sieve }, { "orbit", orbit }, { "sort", sorting } };
    const int count = sizeof parts / sizeof *parts;

    printf("{");
    for (int part = 0; part < count; part++) {
        double start = now();
        parts[part].run();
        printf("%s\"c/%s\": %.3f", part ? ", " : "", parts[part].name, now() - start);
    }
    printf("}\n");
    return 0;
}
