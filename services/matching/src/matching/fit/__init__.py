"""Learning the calibration: from known pairs, from the platform's own results, from what people answered."""
