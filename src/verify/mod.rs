pub mod alternatives;
pub mod energy107;
pub mod observation;
pub mod search;
pub mod series;
pub mod weigh;
pub mod word_order;
