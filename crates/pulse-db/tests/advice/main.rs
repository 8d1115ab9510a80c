//! What is advised, and above all what is not.

mod redundancy;
mod traps;
mod world;
