//! Dialling on a virtual clock: each test says what becomes of which action, and looks at what is
//! asked for and when.
//!
//! | file | what it is about |
//! |---|---|
//! | `world` | the clock, and what runs |
//! | `rounds` | hosts, their order, rounds |
//! | `race` | several addresses of one host |
//! | `limits` | the time that steps and all of it may take |
//! | `refusals` | what is not tried again |
//! | `reports` | reports that are late, or odd |
//! | `anything` | anything at any time |

mod anything;
mod limits;
mod race;
mod refusals;
mod reports;
mod rounds;
mod world;
