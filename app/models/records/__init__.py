"""The record kinds, one file per topic, declarations only; `registry` lists them."""
