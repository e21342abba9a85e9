//! A bot under the rights that are shipped, whose API server breaks, and objects that are not as they should be.
//!
//! The bot is a child process, and its API server is behind a line. Whatever happens: nothing is lost and nothing is done twice,
//! statuses are right in the end, and it is the same process all the time. Nothing depends on how long anything takes.

mod bad;
mod kinds;
mod labels;
mod many;
mod outages;
mod refusals;
mod restored;
mod secrets;
mod world;
