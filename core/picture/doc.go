// Package picture makes small clean pictures of what people upload: it decodes PNG, JPEG, GIF and WebP, turns them as their
// EXIF orientation says, crops them square, and encodes the pixels anew, so that nothing else of the file survives: no
// metadata, no place where it was taken, no second file behind the first.
//
// A file is judged by its bytes, whatever it calls itself, and by its header before anything is decoded. Decoding takes much
// memory, so there is one decoder for the process, behind a queue with a deadline.
package picture
