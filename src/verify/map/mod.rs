//! Where each element stands: the realtime REALs under every map, the word order, the other tables.

pub mod alternatives;
pub mod compare;
pub mod hints;
pub mod realtime;
pub mod scale;
pub mod search;
pub mod series;
pub mod sizes;
pub mod tables;
pub mod weigh;
pub mod word_order;
