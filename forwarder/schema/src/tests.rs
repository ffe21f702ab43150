mod added;
mod file;
mod live;
mod pages;
mod plan;
