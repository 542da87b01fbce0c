"""A member of a consumer group: polls, follows rebalances, commits what is done."""
