/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a setting and where: "services[2].port: 70000 is above 65535". */
#ifndef CONFIG_ERROR_H
#define CONFIG_ERROR_H

struct config_error {
    char text[512];
};

/* Returns -1, so that a function can end with it. */
int config_error_set(struct config_error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
