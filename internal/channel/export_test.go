package channel

import "muster"

// PresentPage is a page of a room without the service's check.
func (r *Rooms) PresentPage(id muster.ChannelID, pageToken string, size int) (page []Present, next string, total int) {
	page, next, total, err := r.present(id, false, size, pageToken)
	if err != nil {
		panic(err)
	}
	return page, next, total
}
