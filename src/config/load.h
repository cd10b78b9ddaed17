/*
 * load.h - reading configuration files from the disk, for the parent and the command line. Blocks.
 *
 * The only part of src/config that touches the system. It follows `include` (patterns sorted, relative to the including
 * file, loops and depth bounded) and leaves every trouble in the list of sources, where config_parse() reports it with
 * its place among the other mistakes.
 */
#ifndef GODWIT_CONFIG_LOAD_H
#define GODWIT_CONFIG_LOAD_H

#include "config/config.h"

/*
 * Read the file at `path` and what it includes into the empty list `sources`. A file that cannot be read is not an
 * error here but a source with a fault. ERR_LIMIT without memory or past the caps of source.h.
 */
NODISCARD enum err config_load(const char *path, struct config_sources *sources);

/*
 * Look whether the files that the configuration names as inputs exist and can be read (recipients file PATH); each
 * that is missing is added to `problems`.
 */
void config_files_check(const struct config *config, struct config_problems *problems);

#endif
