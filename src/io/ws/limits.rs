//! How much of a WebSocket waits here at most; the fuzz target of frames holds the same.

use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::sip::stream::MESSAGE_BYTES_MAX;

/// A message, in fragments or not, is at most [`MESSAGE_BYTES_MAX`] bytes; frames of clients must be masked
/// (RFC 6455 §5.1).
pub fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4_096)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MESSAGE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}
