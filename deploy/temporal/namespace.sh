#!/bin/sh
# Makes the namespace unless it is there. A server that doesn't answer fails both, and the second one's words say so.
set -eu
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" > /dev/null \
  || temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
