use super::*;

#[test]
fn nothing_escapes_from_a_text() {
    assert_eq!(escape(r#"<b a="1">&'"#), "&lt;b a=&quot;1&quot;&gt;&amp;&#39;");
}

#[test]
fn names_in_backticks_are_marked() {
    assert_eq!(marked("the default `idle` <here>"), "the default <code>idle</code> &lt;here&gt;");
    assert_eq!(marked("`wrr`"), "<code>wrr</code>");
    assert_eq!(marked("one ` alone"), "one ` alone");
}

#[test]
fn sentences_begin_and_end() {
    assert_eq!(sentence("each VM gets its cap"), "Each VM gets its cap.");
    assert_eq!(sentence("Both do. "), "Both do.");
    assert_eq!(sentence(" "), "");
}
