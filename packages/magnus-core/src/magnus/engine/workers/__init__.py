"""Worker processes as the engine sees them: how they are started, spoken to, limited and ended."""
