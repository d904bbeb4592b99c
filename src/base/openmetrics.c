/* SPDX-License-Identifier: Apache-2.0 */
/* Families and their samples. */
#include "base/openmetrics.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/worker.h"

#define PREFIX OPENMETRICS_PREFIX

const char openmetrics_type[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";

static const struct {
    const char *name, *kind, *text;
} metrics[] = {
#define METRIC(id, kind, labels, text) {#id, #kind, text},
#include "mdm-tunnel/tbl/metrics.h"
#undef METRIC
};

const char *metric_name(enum metric m) { return metrics[m].name; }
const char *metric_suffix(enum metric m) { return strcmp(metrics[m].kind, "counter") == 0 ? "_total" : ""; }

static void head(struct text *t, const char *name, const char *kind, const char *text)
{
    text_format(t, "# TYPE " PREFIX "%s %s\n# HELP " PREFIX "%s %s\n", name, kind, name, text);
}

void openmetrics_family(struct text *t, enum metric m) { head(t, metrics[m].name, metrics[m].kind, metrics[m].text); }

void openmetrics_single(struct text *t, enum metric m, uint64_t value)
{
    openmetrics_family(t, m);
    text_format(t, PREFIX "%s%s %" PRIu64 "\n", metrics[m].name, metric_suffix(m), value);
}

void openmetrics_program(struct text *t, uint64_t started_s, bool ready)
{
    openmetrics_family(t, METRIC_build);
    text_format(t, PREFIX "build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
    openmetrics_single(t, METRIC_start_time_seconds, started_s);
    openmetrics_single(t, METRIC_ready, ready);
}

void openmetrics_workers(struct text *t, struct worker *const *workers, unsigned count)
{
    openmetrics_family(t, METRIC_worker_cpu_seconds);
    for (unsigned i = 0; i < count; i++)
        text_format(t, PREFIX "worker_cpu_seconds_total{worker=\"%u\"} %.6f\n", i, (double)worker_cpu_us(workers[i]) / US_PER_S);
}

void openmetrics_counters(struct text *t, enum counter_owner owner)
{
    for (unsigned i = 0; i < COUNTER_MAX; i++) {
        bool total = counter_is_total(i);
        if ((counter_owner(i) & owner) == 0)
            continue;
        head(t, counter_name(i), total ? "counter" : "gauge", counter_text(i));
        text_format(t, PREFIX "%s%s %" PRIu64 "\n", counter_name(i), total ? "_total" : "", counters_sum(i));
    }
}

void openmetrics_end(struct text *t) { text_put(t, "# EOF\n"); }
