package ages

import (
	"bytes"
	"fmt"
	"io"
)

// volume is a filesystem in an image that can be read.
type volume struct {
	image  io.ReaderAt
	super  super
	chunks []chunk
}

func openVolume(image io.ReaderAt) (*volume, error) {
	s, err := readSuper(image)
	if err != nil {
		return nil, err
	}
	v := &volume{image: image, super: s}
	if v.chunks, err = systemChunks(s.systemChunks, s.device); err != nil {
		return nil, err
	}
	var all []chunk // the chunk tree has the system chunks too
	err = v.walk(s.chunks, func(_ *block, items []item) error {
		for _, it := range items {
			if it.key.object != chunkObject || it.key.kind != chunkKind {
				continue
			}
			size, err := chunkBytes(it.data)
			if err == nil && size != len(it.data) {
				err = fmt.Errorf("it has %d bytes, expected %d", len(it.data), size)
			}
			if err != nil {
				return fmt.Errorf("chunk %d: %w", it.key.offset, err)
			}
			c, holdsBlocks, err := parseChunk(it.key.offset, it.data, s.device)
			if err != nil {
				return fmt.Errorf("chunk %d: %w", it.key.offset, err)
			}
			if holdsBlocks {
				all = append(all, c)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("chunk tree: %w", err)
	}
	v.chunks = all
	return v, nil
}

// walk calls each for the leaves of a tree in their order.
func (v *volume) walk(root pointer, each func(*block, []item) error) error {
	if root.level > maxLevel {
		return fmt.Errorf("block %d: its level is %d", root.at, root.level)
	}
	// Without seen, nodes that all point at one child could make a small image take for ever.
	seen := map[uint64]bool{}
	var visit func(pointer) error
	visit = func(p pointer) error {
		if seen[p.at] {
			return fmt.Errorf("block %d is in the tree twice", p.at)
		}
		seen[p.at] = true
		b, err := v.read(p)
		if err != nil {
			return err
		}
		if p.level == 0 {
			items, err := p.items(b.data)
			if err != nil {
				return err
			}
			return each(b, items)
		}
		children, err := p.children(b.data)
		if err != nil {
			return err
		}
		for _, child := range children {
			if err := visit(child); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(root)
}

// read returns a block of which every copy is right, and the same.
func (v *volume) read(p pointer) (*block, error) {
	copies, err := physical(v.chunks, p.at, v.super.nodeSize)
	if err != nil {
		return nil, err
	}
	b := &block{copies: copies}
	for i, at := range copies {
		data := make([]byte, v.super.nodeSize)
		if _, err := v.image.ReadAt(data, at); err == io.EOF {
			return nil, fmt.Errorf("copy %d of block %d is behind the end of the image", i+1, p.at)
		} else if err != nil {
			return nil, err
		}
		if err := p.verify(data, v.super.fsid); err != nil {
			return nil, fmt.Errorf("copy %d of block %d: %w", i+1, p.at, err)
		}
		if b.data != nil && !bytes.Equal(b.data, data) {
			return nil, fmt.Errorf("the copies of block %d differ", p.at)
		}
		b.data = data
	}
	return b, nil
}
