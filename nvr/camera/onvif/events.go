package onvif

import (
	"context"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

const (
	pullFor   = 3 * time.Second // shorter than a call may take
	renewEach = 30 * time.Second
	lease     = "PT90S"
	maxItems  = 16
)

// Event is something that the camera noticed.
type Event struct {
	Topic string // such as tns1:RuleEngine/MyRuleDetector/Visitor
	// Operation is "Initialized" for a state that held already, else "Changed",
	// "Deleted" or empty.
	Operation    string
	Source, Data map[string]string
}

// Pressed reports whether somebody pressed the button of a doorbell.
func (e Event) Pressed() bool {
	if e.Operation == "Initialized" || e.Operation == "Deleted" || !isBell(e.Topic[strings.LastIndex(e.Topic, "/")+1:]) {
		return false
	}
	for _, v := range e.Data {
		if strings.EqualFold(v, "true") || v == "1" {
			return true
		}
	}
	return false
}

// isBell knows the names that makers give to the button of a doorbell: the last
// part of a topic.
func isBell(name string) bool {
	name = strings.ToLower(name)
	return name == "visitor" || name == "callbutton" || strings.Contains(name, "doorbell")
}

// topics is all that a camera can tell of.
type topics struct{ bell bool }

// UnmarshalXML implements xml.Unmarshaler: topics are elements within elements.
func (t *topics) UnmarshalXML(d *xml.Decoder, _ xml.StartElement) error {
	for depth := 1; depth > 0; {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch e := token.(type) {
		case xml.StartElement:
			depth++
			t.bell = t.bell || isBell(e.Name.Local)
		case xml.EndElement:
			depth--
		}
	}
	return nil
}

// HasBell asks whether the camera tells when somebody rings.
func (c *Client) HasBell(ctx context.Context) (bool, error) {
	service, err := c.service(ctx, eventService)
	if err != nil || service == "" {
		return false, err
	}
	var all topics
	err = c.ask(ctx, service, `<tev:GetEventProperties/>`, &all)
	return all.bell, err
}

// item is a name with a value.
type item struct {
	Name  string `xml:"Name,attr"`
	Value string `xml:"Value,attr"`
}

// notification is an event as it is pulled.
type notification struct {
	Topic   string
	Message struct {
		Operation string `xml:"PropertyOperation,attr"`
		Source    []item `xml:"Source>SimpleItem"`
		Data      []item `xml:"Data>SimpleItem"`
	} `xml:"Message>Message"`
}

func (n notification) event() Event {
	e := Event{Topic: plain(n.Topic), Operation: plain(n.Message.Operation), Source: map[string]string{}, Data: map[string]string{}}
	for into, list := range map[*map[string]string][]item{&e.Source: n.Message.Source, &e.Data: n.Message.Data} {
		for _, i := range list[:min(len(list), maxItems)] {
			(*into)[plain(i.Name)] = plain(i.Value)
		}
	}
	return e
}

// Events tells yield what the camera notices, until ctx ends or the camera does
// not answer any more. It returns why; never nil. ErrUnsupported: the camera
// has no pull point.
func (c *Client) Events(ctx context.Context, yield func(Event)) error {
	service, err := c.service(ctx, eventService)
	if err != nil || service == "" {
		return orUnsupported(err)
	}
	var made struct {
		Address string `xml:"Body>CreatePullPointSubscriptionResponse>SubscriptionReference>Address"`
	}
	const create = `<tev:CreatePullPointSubscription><tev:InitialTerminationTime>` + lease + `</tev:InitialTerminationTime></tev:CreatePullPointSubscription>`
	if err := c.ask(ctx, service, create, &made); err != nil {
		return err
	}
	if made.Address == "" {
		return fmt.Errorf("%w: no pull point", ErrMalformed)
	}
	point, renewed := c.at(made.Address), time.Now()
	pull := fmt.Sprintf(`<tev:PullMessages><tev:Timeout>PT%dS</tev:Timeout><tev:MessageLimit>32</tev:MessageLimit></tev:PullMessages>`, int(pullFor.Seconds()))
	for {
		var r struct {
			Messages []notification `xml:"Body>PullMessagesResponse>NotificationMessage"`
		}
		if err := c.ask(ctx, point, pull, &r); err != nil {
			return fmt.Errorf("pull events: %w", err)
		}
		for _, n := range r.Messages {
			yield(n.event())
		}
		if time.Since(renewed) > renewEach {
			if err := c.ask(ctx, point, `<wsnt:Renew><wsnt:TerminationTime>`+lease+`</wsnt:TerminationTime></wsnt:Renew>`, nil); err != nil {
				return fmt.Errorf("renew events: %w", err)
			}
			renewed = time.Now()
		}
		// A camera that answers at once with nothing is not asked in a circle.
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
