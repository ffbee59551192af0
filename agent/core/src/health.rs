//! Rollout health in words.
