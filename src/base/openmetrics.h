/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program's /metrics says: OpenMetrics 1.0 text. Rows come from include/mdm-tunnel/tbl/counters.h and metrics.h, and all
 * names begin with mdm_tunnel_. Pure but for counters_sum(). Source: OpenMetrics 1.0.
 */
#ifndef BASE_OPENMETRICS_H
#define BASE_OPENMETRICS_H

#include "base/counters.h"
#include "base/text.h"

#define OPENMETRICS_PREFIX "mdm_tunnel_"

enum metric {
#define METRIC(id, kind, labels, text) METRIC_##id,
#include "mdm-tunnel/tbl/metrics.h"
#undef METRIC
    METRIC_MAX
};

struct worker;

extern const char openmetrics_type[];

/* What samples of a counter's name end in: "_total"; "" of others. */
const char *metric_suffix(enum metric m);
const char *metric_name(enum metric m);
/* The head of a family; its samples follow. */
void openmetrics_family(struct text *t, enum metric m);
/* A family of one sample without labels. */
void openmetrics_single(struct text *t, enum metric m, uint64_t value);
/* What every program says of itself. */
void openmetrics_program(struct text *t, uint64_t started_s, bool ready);
void openmetrics_workers(struct text *t, struct worker *const *workers, unsigned count);
/* All counters that this program has. */
void openmetrics_counters(struct text *t, enum counter_owner owner);
void openmetrics_end(struct text *t);

#endif
