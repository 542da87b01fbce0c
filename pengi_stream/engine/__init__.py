"""Pure cores: windower, gate, batcher, watermark. No thread, no clock, no I/O."""
