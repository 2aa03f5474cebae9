"""From spells of several roles to a panel, its changes and every measure of churn."""
