package webhooks

import "github.com/gatehouse/gatehouse/core/authz"

const mayManage = "webhooks.manage"

var permissions = []authz.Permission{
	{Name: mayManage, Doc: "see, make, change, test and delete every webhook, and so have everything sent out that events tell, personal data included"},
}
