/*
 * status.h - what the edge tells an operator about itself.
 */
#ifndef GODWIT_EDGE_STATUS_H
#define GODWIT_EDGE_STATUS_H

#include "edge/edge_process.h"
#include "ipc/ipc_messages.h"

/* The calls that an edge serves; `ctx` is its struct edge, NULL once it has ended. */
extern const struct ipc_edge_service edge_service;

#endif
