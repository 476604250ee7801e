"""The shards as Ray actors: started, queried, restarted."""
